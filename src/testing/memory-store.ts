import { checkOptions } from '../options.ts';
import type { MemoryStore } from '../ports/memory-store.ts';
import { EVENT_CASES } from './memory-store/events.ts';
import type { StoreCase } from './memory-store/kit.ts';
import { PROVENANCE_CASES, RECORD_CASES } from './memory-store/records.ts';
import { declare, type SuiteCase, type TestFunction } from './suite.ts';

export interface MemoryStoreConformanceOptions {
  /** `test` of vitest, jest or node:test. Default: the global one. */
  test?: TestFunction;
  /** Opens the storage of a store again, as another process would. Default: the tests that open it twice use one store. */
  another?: (store: MemoryStore) => MemoryStore | Promise<MemoryStore>;
  /** Whether records keep what they were learned from, their origin and their history. Default true. */
  provenance?: boolean;
}

type Make = () => MemoryStore | Promise<MemoryStore>;

/**
 * Every guarantee of the {@link MemoryStore} port as a test. Call it at the top of a test file, or inside a `describe`.
 * @param make opens a new, empty store. Called for each test, which closes it.
 */
export function memoryStoreConformance(make: Make, o: MemoryStoreConformanceOptions = {}): void {
  declare('memory store', memoryStoreCases(make, o), o.test);
}

/** The tests as a list, for other test runners. */
export function memoryStoreCases(make: Make, o: Omit<MemoryStoreConformanceOptions, 'test'> = {}): readonly SuiteCase[] {
  checkOptions(o, { test: 'test', another: 'another: (store) => opened(store)', provenance: 'provenance: false' }, 'memoryStoreCases()');
  const { another, provenance = true } = o;
  const cases: readonly StoreCase[] = [...EVENT_CASES, ...RECORD_CASES, ...(provenance ? PROVENANCE_CASES : [])];
  return cases.map(([name, check]) => ({
    name,
    async run() {
      const stores = [await make()];
      const [store] = stores as [MemoryStore];
      try {
        await check({
          store,
          ...(another && {
            async again() {
              const opened = await another(store);
              stores.push(opened);
              return opened;
            },
          }),
        });
        return undefined;
      } finally {
        for (const each of stores) await each.close();
      }
    },
  }));
}
