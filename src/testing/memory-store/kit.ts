import assert from 'node:assert/strict';
import type { ErrorCode } from '../../errors.ts';
import { RondoError } from '../../errors.ts';
import type { MemoryEvent, MemoryPage, MemoryStore, NewEvent, NewRecord, PageQuery } from '../../ports/memory-store.ts';

export interface Storage {
  readonly store: MemoryStore;
  /** The same storage, opened again, as another process would. */
  again?(): Promise<MemoryStore>;
}
export type StoreCase = readonly [name: string, check: (storage: Storage) => Promise<void>];

export const say = (text: string, over: Partial<NewEvent> = {}): NewEvent => ({
  actor: 'ana',
  session: 's1',
  items: [{ kind: 'text', role: 'user', text }],
  ...over,
});

export const said = ({ items }: MemoryEvent): string => items.map((item) => (item.kind === 'text' ? item.text : item.kind)).join(' ');

/** All pages, at most `limit` entries each. */
export async function everything<T>(list: (page: PageQuery) => Promise<MemoryPage<T>>, limit = 2): Promise<T[]> {
  const found: T[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await list({ limit, ...(after !== undefined && { after }) });
    assert.ok(items.length <= limit, 'a page is not longer than its limit');
    found.push(...items);
    if (next === undefined) return found;
    after = next;
  }
}

export const talk = async (store: MemoryStore, actor = 'ana', session = 's1'): Promise<string[]> =>
  (await everything((page) => store.events({ actor, session, ...page }))).map(said);

export async function refuses(work: Promise<unknown>, ...codes: ErrorCode[]): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(RondoError.is(error), `a RondoError, not ${error}`);
    assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`);
    return true;
  });
}

/** Adds records. @returns their ids. */
export async function known(store: MemoryStore, ...records: NewRecord[]): Promise<string[]> {
  return (await store.add(records)).map((written) => {
    assert.ok(written.ok, JSON.stringify(written));
    return written.id;
  });
}

export const texts = (records: readonly { text: string }[]): string[] => records.map(({ text }) => text);
