/** Appends to runs. One append is one transaction: the head is put in place of the one that was seen, by its `rev`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RondoError } from '../../../errors.ts';
import { encode } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { conflict, sessionBusy } from '../../../journal/errors.ts';
import type { AppendOptions, RunHead } from '../../../journal/port.ts';
import { nonceOf } from '../rows/nonce.ts';
import { type Access, MOST_WRITES, type Write } from './access.ts';
import type { Key } from './client.ts';
import { ahead, nonceAt, type Put, rowOf, takeBack } from './content.ts';
import { Refused } from './errors.ts';
import { headItem, pointerWrites, type StoredHead } from './head-item.ts';
import type { Heads } from './heads.ts';
import { headKey, runKey } from './keys.ts';
import { blobPuts } from './log.ts';

/** How often an append is tried again because what it saw has changed. */
const TRIES = 60;
/** From this try on it waits, up to these milliseconds, for others that write to the same items. */
const PATIENT = { from: 3, most: 50 };

/** A write without a condition. */
type Later = Put | { delete: Key };

/** What an append changes besides entries and head, from what is stored. */
export interface Also {
  writes: Write[];
  rows?: Put[];
  parts?: Put[];
  /** Writes that may come later, because the index that they are of can be made again. */
  later?: Later[];
  /** It was stored. */
  stored?: () => void;
  /** The events that are assigned to the run, and its waits, as they will be. */
  inbox?: Waiting;
}

/** What of the inbox is in the head of a run. */
export type Waiting = Pick<StoredHead, 'uses' | 'waits'>;

/** A part of an append. @param fresh whether nothing that was seen earlier may be trusted. */
export type Part = (runId: string, o: AppendOptions, fresh: boolean, head: RunHead, nonce: number) => Promise<Also | undefined>;

export type Append = (runId: string, expected: number, entries: readonly Entry[], head: RunHead, o?: AppendOptions) => Promise<void>;

export function writer(access: Access, heads: Heads, parts: readonly Part[], lengthened: (until: number) => number): Append {
  /** The head as it will be stored. */
  function next(before: StoredHead | undefined, given: RunHead, held: number, rev: number, { uses, waits }: Waiting): StoredHead {
    const head: RunHead = { ...given };
    delete head.doubtful;
    if (head.status === 'running' && head.owner === undefined) {
      // it comes from a process that does not drive the run
      if (before?.head.owner === undefined) delete head.owner;
      else head.owner = before.head.owner;
      if (before?.head.leaseUntil === undefined) delete head.leaseUntil;
      else head.leaseUntil = before.head.leaseUntil;
    } else if (head.leaseUntil !== undefined) {
      head.leaseUntil = lengthened(head.leaseUntil);
      // an older head does not shorten a lease that was renewed meanwhile
      if (before && before.head.owner === head.owner) head.leaseUntil = Math.max(head.leaseUntil, before.head.leaseUntil ?? 0);
    } else if (before && before.head.owner !== undefined && before.head.owner === head.owner && before.head.leaseUntil !== undefined)
      head.leaseUntil = before.head.leaseUntil;
    // a paused run to which an event is assigned is due at once
    if (head.status === 'paused' && uses.length > 0) head.wakeAt = 0;
    return { head, held, rev, born: before?.born ?? rev, uses, waits, gone: false };
  }

  return async function append(runId, expected, entries, head, o = {}) {
    access.refuseClosed();
    const nonce = nonceOf();
    const pk = runKey(runId);
    const { body, checksum, blobs } = encode(entries);
    const own =
      entries.length > 0 ? rowOf(pk, { seq: expected, count: entries.length, nonce, body, checksum }) : { row: undefined, parts: [] };
    let early = false;
    let seen = expected === 0 ? undefined : heads.seen(runId);
    // a run that begins is not looked for
    let fresh = expected !== 0 && seen === undefined;
    if (fresh) seen = await heads.look(runId);

    for (let tries = 0; tries < TRIES; tries++) {
      if (tries >= PATIENT.from) await sleep(PATIENT.most * Math.random());
      const held = seen?.held ?? 0;
      if (held !== expected || seen?.gone) {
        if (fresh) {
          if (entries.length > 0 && (await nonceAt(access, pk, expected)) === nonce) return;
          if (early) await takeBack(access, own.parts);
          // it was removed: what was written ahead of this append must not stay
          if (!seen && early) await access.purge(pk);
          throw conflict(runId, expected, seen?.gone ? 0 : held);
        }
        seen = await heads.look(runId);
        fresh = true;
        continue;
      }
      const others: Also[] = [];
      for (const part of parts) {
        const also = await part(runId, o, tries > 0, head, nonce);
        if (also) others.push(also);
      }
      const waiting = others.find((also) => also.inbox)?.inbox ?? seen ?? { uses: [], waits: [] };
      const after = next(seen, head, expected + entries.length, nonceOf(), waiting);
      const { writes: pointers, open } = pointerWrites(seen?.head, after.head);
      const content = ahead(
        [...(own.row ? [own.row] : []), ...others.flatMap(({ rows = [] }) => rows)],
        [...own.parts, ...blobPuts(pk, blobs), ...others.flatMap(({ parts = [] }) => parts)],
      );
      const writes: Write[] = [
        { put: headItem(after), if: seen ? { equal: { rev: seen.rev } } : 'absent' },
        ...(open ? [open] : []),
        ...pointers,
        ...content.together,
        ...others.flatMap((also) => also.writes),
      ];
      const later = others.flatMap(({ later = [] }) => later);
      // as many as there is room for, in the same transaction
      writes.push(...later.splice(0, Math.max(0, MOST_WRITES - writes.length)));
      if (content.before.length > 0) {
        await access.writeAll(content.before);
        early = true;
      }
      try {
        await access.write(writes);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        heads.forget(runId);
        seen = await heads.look(runId);
        fresh = true;
        if (entries.length > 0 && (await nonceAt(access, pk, expected)) === nonce) return;
        const other = open && error.found.get(1)?.run;
        // unless it lost to a write of the same run, or the other has ended since
        if (typeof other === 'string' && !error.found.has(0)) throw sessionBusy(head.session as string, other);
        continue;
      }
      heads.saw(after);
      for (const { stored } of others) stored?.();
      await access.writeAll(later);
      return;
    }
    throw new RondoError(
      'JOURNAL_UNAVAILABLE',
      `Run ${runId} and what it shares with others change all the time. Nothing was written; try again.`,
      {
        details: { runId, table: access.table },
      },
    );
  };
}

/** Whether there is such a run. */
export async function known(access: Access, runIds: readonly string[]): Promise<Set<string>> {
  return new Set((await access.getAll(runIds.map(headKey))).map(({ run_id }) => run_id as string));
}
