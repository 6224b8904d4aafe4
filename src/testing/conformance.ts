import type { Journal } from '../journal/port.ts';
import { checkOptions } from '../options.ts';
import { appendCases } from './journal/append.ts';
import { claimProcessCases } from './journal/claim-processes.ts';
import { claimCases } from './journal/claims.ts';
import { claimKeepingCases, claimStorageCases } from './journal/claims-kept.ts';
import { contentCases } from './journal/content.ts';
import { deadEventCases } from './journal/dead-events.ts';
import { dueCases } from './journal/due.ts';
import { effectCases } from './journal/effects.ts';
import { headCases } from './journal/heads.ts';
import { asideCases, inboxCases, inboxStorageCases } from './journal/inbox.ts';
import type { Case } from './journal/kit.ts';
import { leaseCases } from './journal/leases.ts';
import { type Opening, processCases } from './journal/processes.ts';
import { readCases } from './journal/read.ts';
import { removeCases } from './journal/remove.ts';
import { rewriteCases } from './journal/rewrite.ts';
import { sessionCases } from './journal/sessions.ts';
import { damageCase, storageCases } from './journal/storage.ts';
import { pushCases, subscribeCases } from './journal/subscribe.ts';
import { declare, onJournal, type SuiteCase, type TestFunction } from './suite.ts';

export interface ConformanceOptions {
  /** `test` of vitest, jest or node:test. Default: the global one. */
  test?: TestFunction;
  /**
   * Opens the storage of a journal again, as another process would: while the first is open, or after it was closed. If given, the suite
   * also tests what survives, and concurrent writers.
   */
  another?: (journal: Journal) => Journal | Promise<Journal>;
  /**
   * How another process opens the storage of a journal. If given, two real processes write at once. A store that several processes share
   * needs this test: two handles in one process never run at the same time.
   */
  process?: (journal: Journal) => Opening | Promise<Opening>;
  /**
   * Changes the stored bytes of a run's last append, as a failing disk would. If given, the suite tests that the change is detected, or
   * (if the store declares `tornTail: 'last-append'`) that the append is ignored.
   */
  damageLast?: (journal: Journal, runId: string) => void | Promise<void>;
}

const SUITE = {
  test: 'test',
  another: 'another: (journal) => ...',
  process: 'process: (journal) => ...',
  damageLast: 'damageLast: (journal) => ...',
};

type Make = () => Journal | Promise<Journal>;

/**
 * Every guarantee of the {@link Journal} port as a test. Call it at the top of a test file, or inside a `describe`.
 * @param make opens a new, empty journal. Called for each test, which closes it.
 */
export function journalConformance(make: Make, o: ConformanceOptions = {}): void {
  declare('journal', journalCases(make, o), o.test);
}

/** The tests as a list, for other test runners. Each throws if the journal breaks the guarantee in its name. */
export function journalCases(make: Make, o: Omit<ConformanceOptions, 'test'> = {}): readonly SuiteCase[] {
  checkOptions(o, SUITE, 'journalCases()');
  const { another, process, damageLast } = o;
  const cases: readonly Case[] = [
    ...appendCases,
    ...readCases,
    ...contentCases,
    ...headCases,
    ...dueCases,
    ...sessionCases,
    ...leaseCases,
    ...removeCases,
    ...effectCases,
    ...rewriteCases,
    ...claimCases,
    ...claimKeepingCases,
    ...inboxCases,
    ...deadEventCases,
    ...asideCases,
    ...subscribeCases,
    ...(another ? [...storageCases, ...claimStorageCases, ...inboxStorageCases, ...pushCases] : []),
    ...(damageLast ? [damageCase(damageLast)] : []),
    ...(process
      ? [...claimProcessCases, ...processCases].map(
          ([name, check]): Case => [name, async (journal) => check(journal, await process(journal))],
        )
      : []),
  ];
  return cases.map(([name, check]) => ({
    name,
    run: () => onJournal(make, another, check),
  }));
}
