/** Appends to runs: in one statement where nothing that is stored must be read first, otherwise in a transaction of a few. */

import type { EffectChange, StoredEffect } from '../../../journal/effects.ts';
import { encode, type StoredAppend } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { conflict, sessionBusy } from '../../../journal/errors.ts';
import { inboxOver } from '../../../journal/inbox.ts';
import type { AppendOptions, RunHead } from '../../../journal/port.ts';
import { rowOf } from '../rows/claim.ts';
import { certainEffects } from '../rows/effect.ts';
import { nonceOf } from '../rows/nonce.ts';
import type { Access } from './access.ts';
import { type Append, type Appended, appendOne, type SeenClaim } from './append.ts';
import type { Claims } from './claims.ts';
import type { Query } from './client.ts';
import type { Effects } from './effects.ts';
import { breaks, sawOther } from './errors.ts';
import type { Inboxes } from './inbox.ts';
import { inboxRows } from './inbox-rows.ts';
import type { AppendRecord } from './records.ts';

/** How often an append is tried again because what it saw has changed. */
const TRIES = 20;

/** What became of an append; `again`: the run or its session has changed since it was looked at. */
type Outcome = 'stored' | 'again';

interface Parts {
  access: Access;
  claims: Claims;
  effects: Effects;
  inboxes: Inboxes;
  appendRecord: AppendRecord;
  durability: 'power' | 'process' | undefined;
}

export function writer({ access, claims, effects, inboxes, appendRecord, durability }: Parts) {
  const { of } = access.names;
  const FOUND = `
    SELECT h.held, (SELECT e.nonce FROM ${of('entry')} AS e WHERE e.run = h.run AND e.seq = $2) AS nonce FROM ${of('head')} AS h
    WHERE h.run_id = $1`;
  const TAKE = `${FOUND} FOR UPDATE OF h`;
  const OPEN_IN = `
    SELECT run_id FROM ${of('head')}
    WHERE session = $1 AND tenant IS NOT DISTINCT FROM $2 AND status IN ('running', 'paused') AND aside IS NULL AND session IS NOT NULL`;

  /** Whether the append was stored before, by an attempt whose answer was lost. @throws RondoError `JOURNAL_CONFLICT` */
  function stands({ runId, expected, nonce }: Append, found: { held: number; nonce: number | null } | undefined): boolean {
    if (found && found.nonce === nonce) return true;
    const held = found?.held ?? 0;
    if (held !== expected) throw conflict(runId, expected, held);
    return false;
  }

  async function look(query: Query, a: Append, text = FOUND) {
    const [found] = await query<{ held: number; nonce: number | null }>(text, [a.runId, a.expected]);
    return found;
  }

  async function appended(query: Query, a: Append, begins: boolean): Promise<Appended> {
    const told = await appendOne(query, access.names, a, begins);
    access.clock.sample(told.clock);
    if (a.claims) claims.wrote(a.claims.map(({ mac, claim }) => rowOf(mac, claim)));
    return told;
  }

  /** One statement. @returns undefined if it does not apply, and nothing was written. */
  async function atOnce(a: Append): Promise<Outcome> {
    try {
      return await access.connected(async (query) => {
        const { run } = await appended(query, a, a.expected === 0);
        if (run !== null) return 'stored';
        const found = await look(query, a);
        if (stands(a, found)) return 'stored';
        // a head without entries
        if (found && a.expected === 0 && (await appended(query, a, false)).run !== null) return 'stored';
        return 'again';
      });
    } catch (error) {
      return refused(a, error);
    }
  }

  /** A transaction: what is stored is read and held first. */
  async function together(a: Append, { claims: changes, effects: rows, waits, record }: AppendOptions): Promise<Outcome> {
    if (changes) await claims.known();
    const now = await access.now();
    try {
      return await access.transact(a.sync, async (tx): Promise<Outcome> => {
        if (waits) await inboxes.lock(tx);
        const found = await look(tx, a, TAKE);
        if (stands(a, found)) return 'stored';
        if (record) await appendRecord(tx, record.namespace, record.key, record.values, record.expected, a.nonce);
        const whole: Append = { ...a };
        if (changes) whole.claims = await claims.locked(tx, a.runId, changes, now);
        if (rows) whole.effects = await effects.changed(tx, a.runId, rows);
        if (waits) {
          const inbox = inboxRows(tx, access.names);
          await inbox.settled((inner) => inboxOver(inner).change(a.runId, waits));
          whole.uses = await inbox.usesOf(a.runId);
          if (!found && whole.uses > 0 && a.head.status === 'paused') whole.head = { ...a.head, wakeAt: 0 };
          await inbox.flush(a.runId);
        }
        if ((await appended(tx, whole, !found)).run === null) throw new Again();
        return 'stored';
      });
    } catch (error) {
      return refused(a, error);
    }
  }

  async function refused(a: Append, error: unknown): Promise<Outcome> {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (cause instanceof Again) return 'again';
    if (sawOther(cause)) {
      claims.lost(a.claims ?? []);
      return 'again';
    }
    const { runId, head } = a;
    if (!breaks(cause, 'head_session_open') || head.session === undefined) throw error;
    const [other] = await access.query<{ run_id: string }>(OPEN_IN, [head.session, head.tenant ?? null]);
    // it has ended since, or it is this one, which began at the same time
    if (!other || other.run_id === runId) return 'again';
    throw sessionBusy(head.session, other.run_id);
  }

  return async function append(
    runId: string,
    expected: number,
    entries: readonly Entry[],
    head: RunHead,
    o: AppendOptions = {},
  ): Promise<void> {
    access.refuseClosed();
    const stored: StoredAppend = encode(entries);
    const sync = durability ?? o.sync ?? 'process';
    const a: Append = { runId, expected, count: entries.length, nonce: nonceOf(), stored, head: { ...head }, sync };
    for (let tries = 0; tries < TRIES; tries++) {
      const certain = tries === 0 ? atFirst(a, o) : undefined;
      const outcome = certain ? await atOnce(certain) : await together(a, o);
      if (outcome === 'stored') return;
    }
    throw conflict(runId, expected, (await look(access.query, a))?.held ?? 0);
  };

  /** The append if it needs nothing that is stored but the claims that were seen last. */
  function atFirst(a: Append, { claims: changes, effects: rows, waits, record }: AppendOptions): Append | undefined {
    if (waits || record) return undefined;
    const made: StoredEffect[] | undefined = rows && certainEffects(rows as readonly EffectChange[]);
    if (rows && !made) return undefined;
    if (!changes) return { ...a, effects: made };
    const now = access.clock.read();
    const guessed: SeenClaim[] | undefined = now === undefined ? undefined : claims.guessed(a.runId, changes, now);
    return guessed && { ...a, effects: made, claims: guessed };
  }
}

/** The run was begun or removed since it was looked at. */
class Again extends Error {}
