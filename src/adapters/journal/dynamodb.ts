import { invalid } from '../../errors.ts';
import { Listeners } from '../../journal/listeners.ts';
import type { Journal } from '../../journal/port.ts';
import { checkOptions } from '../../options.ts';
import { accessTo } from './dynamodb/access.ts';
import { claimsOf } from './dynamodb/claims.ts';
import { effectsOf } from './dynamodb/effects.ts';
import { headsOf } from './dynamodb/heads.ts';
import { inboxOf } from './dynamodb/inbox.ts';
import { readEntries } from './dynamodb/log.ts';
import type { DynamoPlace } from './dynamodb/place.ts';
import { recordsOf } from './dynamodb/records.ts';
import { removal } from './dynamodb/removal.ts';
import { writer } from './dynamodb/write.ts';

export type { DynamoClient, DynamoPlace } from './dynamodb/place.ts';
export { createDynamodbTable } from './dynamodb/table.ts';

export interface DynamodbJournalOptions extends DynamoPlace {
  /**
   * How much the clocks of two processes may differ, in milliseconds. DynamoDB tells no time, so each process goes by its own clock, and a lease lasts
   * this much longer than its owner asked for. Default 5,000.
   */
  skew?: number;
  /** Milliseconds for which a request is tried again while DynamoDB throttles it or cannot be reached. Default 5,000. */
  patience?: number;
}

const WHERE = 'dynamodbJournal()';
const OPTIONS: Required<Record<keyof DynamodbJournalOptions, string>> = {
  table: "table: 'rondo'",
  region: "region: 'eu-central-1'",
  endpoint: "endpoint: 'http://localhost:8000'",
  client: 'client: new DynamoDBClient()',
  skew: 'skew: 5_000',
  patience: 'patience: 5_000',
};

/**
 * A journal in a table of Amazon DynamoDB, for any number of processes on any number of machines. The table must be there, see
 * `createDynamodbTable`. The time of leases, approvals and claims is that of each process.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function dynamodbJournal(o: DynamodbJournalOptions = {}): Journal {
  checkOptions(o, OPTIONS, WHERE);
  const { table = 'rondo', region, endpoint, client, skew = 5_000, patience = 5_000 } = o;
  if (typeof table !== 'string' || !/^[a-zA-Z0-9_.-]{3,255}$/.test(table))
    throw invalid(`${WHERE}: table is a name of 3 to 255 letters, digits, underscores, dots and hyphens, such as 'rondo'.`);
  if (client !== undefined && (region !== undefined || endpoint !== undefined))
    throw invalid(`${WHERE} takes either client, or region and endpoint.`);
  for (const [name, value] of [
    ['skew', skew],
    ['patience', patience],
  ] as const)
    if (!(Number.isSafeInteger(value) && value >= 0)) throw invalid(`${WHERE}: ${name} is an integer of 0 or more.`);

  const access = accessTo({ ...o, table, patience });
  const now = () => Date.now();
  /** A lease that is given back is not made longer. */
  const lengthened = (until: number) => (until > now() ? until + skew : until);
  const heads = headsOf(access, now, lengthened);
  const claims = claimsOf(access, now);
  const effects = effectsOf(access);
  const { records, change: changeRecord } = recordsOf(access);
  const { inbox, change: changeWaits, release: releaseWaits } = inboxOf(access, heads);
  const append = writer(access, heads, [claims.change, effects.change, changeRecord, changeWaits], lengthened);
  const { remove, rewrite } = removal(access, heads, [claims.release, releaseWaits]);
  const listeners = new Listeners();
  const told = async (runId: string, done: Promise<void>) => {
    await done;
    listeners.changed(runId);
  };

  return {
    durable: true,
    append: (runId, ...rest) => told(runId, append(runId, ...rest)),
    read: (runId, after = -1) => readEntries(access, runId, after),
    heads: heads.list,
    due: heads.due,
    renew: heads.renew,
    remove: (runId, expectedSeq) => told(runId, remove(runId, expectedSeq)),
    rewrite: (runId, entries) => told(runId, rewrite(runId, entries)),
    subscribe(listener, how) {
      access.refuseClosed();
      listeners.add(listener, how);
      // changes by other processes are found by asking
      return false;
    },
    claim: claims.find,
    effects: effects.list,
    inbox,
    records,
    now,
    close: () => access.close(),
  };
}
