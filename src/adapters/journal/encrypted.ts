import { invalid } from '../../errors.ts';
import type { ClaimKey } from '../../journal/claims.ts';
import type { Entry } from '../../journal/entries/entries.ts';
import { conflict } from '../../journal/errors.ts';
import type { AppendOptions, DueFilter, HeadFilter, Journal, RunHead } from '../../journal/port.ts';
import type { Records } from '../../journal/records.ts';
import { checkOptions } from '../../options.ts';
import type { DataKey } from '../keys/data-key.ts';
import type { MasterKeys } from '../keys/master.ts';
import { openedEntries, sealedEntries } from './encrypted/entries.ts';
import { SealedInbox } from './encrypted/inbox.ts';
import { keyUnavailable, mastersOf } from './encrypted/master.ts';
import { type Names, Store } from './encrypted/names.ts';
import { isRecordGone, sealedRecord, sealedRecords } from './encrypted/records.ts';
import { type For, nameOf, Ring } from './encrypted/ring.ts';

export type { KeyService, KeySet, MasterKey, MasterKeys } from '../keys/master.ts';

export interface EncryptedOptions {
  /**
   * A journal whose records hold the data keys. It is closed with this one. Default: the encrypted journal itself. Apart, a backup of the
   * journal cannot be read without a backup of the keys: so a forgotten run is forgotten in it too.
   */
  keyStore?: Journal;
}

export interface Rotated {
  /** Data keys that are wrapped by the current master key now. */
  rewrapped: number;
  /** Data keys of what is not in the journal any more, such as runs that a store dropped by itself. */
  destroyed: number;
}

export interface EncryptedJournal extends Journal {
  /**
   * Wraps all data keys by the current master key. No content is written again. If it is interrupted, call it again. Once it is done, an old
   * master key is not needed any more. Run it in one process at a time.
   * @throws RondoError `JOURNAL_KEY_UNAVAILABLE` for a data key whose master key was not given.
   */
  rotate(): Promise<Rotated>;
}

/**
 * A journal whose content is encrypted with AES-256-GCM, under a data key for each run, record and event, around any journal with records.
 * docs/encryption.md says what stays readable.
 * @param keys the master keys, which wrap the data keys: `{ current: 'k2', keys: { k1, k2 } }` of 32 bytes each, a function that returns them,
 *   or a service that wraps and unwraps.
 * @throws RondoError `CONFIG_INVALID`. Methods throw `JOURNAL_KEY_UNAVAILABLE` for a missing, wrong or destroyed key, and `JOURNAL_DAMAGED` for
 *   content that was changed, cut or moved.
 */
export function encrypted(journal: Journal, keys: MasterKeys, o: EncryptedOptions = {}): EncryptedJournal {
  checkOptions(o, { keyStore: "keyStore: sqliteJournal('keys.db')" }, 'encrypted()');
  if (typeof journal?.append !== 'function')
    throw invalid('encrypted() takes the journal to encrypt first: encrypted(sqliteJournal(path), keys).');
  const { keyStore } = o;
  const records = (keyStore ?? journal).records;
  if (!records) throw invalid('encrypted() stores its data keys as records, and this journal has none. Give another one as keyStore.');
  const ring = new Ring(records, mastersOf(keys), keyStore !== undefined);
  return sealing(journal, ring, keyStore);
}

function sealing(inner: Journal, ring: Ring, keyStore: Journal | undefined): EncryptedJournal {
  const store = new Store(ring, inner);
  const inbox = inner.inbox && new SealedInbox(ring, store, inner.inbox);
  const { records, rewrite, due, claim } = inner;

  /** Once both keys are there, it is as synchronous as the journal. */
  function append(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead, o?: AppendOptions): void | Promise<void> {
    const { names } = store;
    const key = ring.ready(nameOf({ run: runId }));
    if (!names || !key || o?.waits || o?.record) return slowly(runId, expectedSeq, entries, head, o);
    return write(names, runId, expectedSeq, sealedEntries(key, runId, entries), head, o);
  }

  async function slowly(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead, o?: AppendOptions): Promise<void> {
    const names = await store.load();
    const key = entries.length > 0 ? await runKey(runId, expectedSeq, o?.sync) : undefined;
    const changes = o?.waits && (await inbox?.changes(runId, o.waits));
    const record = o?.record && (await sealedRecord(ring, o.record, o.sync));
    const sealed = key ? sealedEntries(key, runId, entries) : entries;
    await write(names, runId, expectedSeq, sealed, head, {
      ...o,
      ...(changes && { waits: changes.waits }),
      ...(record && { record }),
    });
    if (changes && changes.taken.length > 0) await inbox?.took(changes.taken);
  }

  function write(
    names: Names,
    runId: string,
    expectedSeq: number,
    sealed: readonly Entry[],
    head: RunHead,
    o: AppendOptions | undefined,
  ): void | Promise<void> {
    // what is not running may be removed by another process, and its id used again
    if (head.status !== 'running') ring.doubt(nameOf({ run: runId }));
    try {
      const claims = o?.claims?.map((change) => names.claimChange(change));
      const done = inner.append(runId, expectedSeq, sealed, names.head(head), claims ? { ...o, claims } : o);
      return done?.catch((error: unknown) => Promise.reject(names.error(error, head)));
    } catch (error) {
      throw names.error(error, head);
    }
  }

  async function runKey(runId: string, expectedSeq: number, sync: 'power' | 'process' | undefined): Promise<DataKey> {
    const of: For = { run: runId };
    if (expectedSeq === 0) return ring.make(of, sync);
    const key = await ring.find(nameOf(of));
    if (key) return key;
    // a key made now would not open what the run holds
    for await (const _ of inner.heads({ runId }))
      throw keyUnavailable(`The data key of run ${runId} was destroyed, or is not in this store of keys.`, { run: runId });
    throw conflict(runId, expectedSeq, 0);
  }

  async function* heads(list: (names: Names) => Iterable<RunHead> | AsyncIterable<RunHead>): AsyncGenerator<RunHead, void, undefined> {
    const names = await store.load();
    for await (const head of list(names)) yield names.openHead(head);
  }

  function gone(): (of: For) => Promise<boolean> {
    const event = inbox?.gone();
    return async (of) => {
      if ('event' in of) return event?.(of) ?? false;
      if ('record' in of) return records !== undefined && isRecordGone(records, of.record);
      if ('store' in of) return false;
      for await (const _ of inner.heads({ runId: of.run })) return false;
      return true;
    };
  }

  return {
    durable: inner.durable,
    ...(inner.local && { local: inner.local }),
    ...(inner.tornTail && { tornTail: inner.tornTail }),
    append,
    async *read(runId: string, after?: number) {
      await store.load();
      yield* openedEntries(ring, runId, inner.read(runId, after));
    },
    heads: (filter: HeadFilter) => heads((names) => inner.heads(names.filter(filter))),
    ...(due && {
      due: (filter: DueFilter) =>
        heads((names) => due.call(inner, { ...filter, ...(filter.after && { after: names.head(filter.after) }) })),
    }),
    renew: (runId, owner, until) => inner.renew(runId, owner, until),
    async remove(runId: string, expectedSeq?: number) {
      // the entries first: if this is interrupted, the run can still be found, and rotate() destroys a key that is left
      await inner.remove(runId, expectedSeq);
      await ring.destroy(nameOf({ run: runId }));
    },
    ...(rewrite && {
      async rewrite(runId: string, entries: readonly Entry[]) {
        const key = await ring.find(nameOf({ run: runId }));
        if (key) await rewrite.call(inner, runId, sealedEntries(key, runId, entries));
      },
    }),
    ...(inner.subscribe && { subscribe: inner.subscribe.bind(inner) }),
    ...(claim && {
      async claim(key: ClaimKey) {
        const names = await store.load();
        const found = await claim.call(inner, names.claimKey(key));
        return found && names.openClaim(found);
      },
    }),
    ...(inner.effects && { effects: inner.effects.bind(inner) }),
    ...(inbox && { inbox }),
    ...(records && { records: sealedRecords(ring, records) as Records }),
    ...(inner.now && { now: inner.now.bind(inner) }),
    async close() {
      ring.clear();
      await inner.close?.();
      await keyStore?.close?.();
    },
    rotate: async () => {
      await store.load();
      return ring.rotate(gone());
    },
  };
}
