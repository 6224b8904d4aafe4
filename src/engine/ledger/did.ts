/** What a run did, by its entries: the index of effects, and all that its rows leave out. */
import { digest } from '../../journal/canonical.ts';
import { effectChanges } from '../../journal/changes/effects.ts';
import type { Holder } from '../../journal/claims.ts';
import { changedEffect, type EffectChange, type EffectOutcome, type StoredEffect } from '../../journal/effects.ts';
import type { Amount, CallId, Entry, EntryOf, HandOut, Intent } from '../../journal/entries/entries.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { argumentsOf, callIn, frameOf, startsEffect } from '../../journal/fold/frame.ts';
import type { Journal } from '../../journal/port.ts';
import type { Json } from '../../json.ts';
import type { Principal } from '../../ports/principal.ts';
import { followRun } from '../drive/history.ts';
import { type HandOutRecord, handOutsIn } from './handed.ts';

/** A call that was not a read, as the ledger lists it. */
export interface EffectRecord {
  runId: string;
  /** Unique within its run. */
  callId: CallId;
  /** When it started, epoch milliseconds. */
  at: number;
  /** The name of the tool, the durable step or the foreign agent. */
  tool: string;
  /** `step`: a durable step of a graph. `turn`: of a foreign agent. */
  kind: 'tool' | 'step' | 'turn';
  effect: 'once' | 'idempotent';
  /** The names of the agents from the top one of the run to the one that made the call. */
  agent: readonly string[];
  /** As the application named it. */
  session?: string;
  /** The principal on whose behalf the run works. */
  by?: Principal;
  /** What it was meant to do, if the tool has a `key`. */
  intent?: { name: string; key: string };
  /** By unit, as the tool declared it of this call. */
  amount?: Amount;
  /** SHA-256 of the arguments as canonical JSON, in hex. */
  digest: string;
  /** Who let it start, and when. Without `by` no person was asked: the policy and the tool's own rule allowed it. */
  allowed: { at: number; by?: Principal };
  /** `running`: it has not ended. `unknown`: it may or may not have taken effect. */
  outcome: EffectOutcome | 'running';
  /** The receipt: what it returned, or what was found out later. */
  output?: Json;
  /** The failure with which it ended, unless it was settled as done since. */
  error?: { code: string; message: string };
  /** The credentials that it was handed: at its start, and again before a later attempt. Never the tokens. */
  credentials?: readonly HandOut[];
  /** How many calls asked for the same intent again, and got this result. */
  again: number;
  /** It gave up, or its outcome is unknown, and it was neither settled nor dismissed since. */
  open?: true;
}

/** What the entries say of a call; its row is undefined while it runs. */
interface Told extends Omit<EffectRecord, 'runId' | 'outcome' | 'again' | 'open'> {
  row?: StoredEffect | undefined;
}

export interface Did {
  run: RunFold;
  effects: ReadonlyMap<CallId, Told>;
  /** The credentials that its calls were handed, reads too, in their order. */
  handOuts: readonly HandOutRecord[];
  /** Calls that got the result of another call, by that call. */
  repeated: ReadonlyMap<CallId, Holder>;
  /** All changes of the index that the entries stand for, in their order. */
  changes: readonly EffectChange[];
}

/** Reads a run; undefined if there is none. @throws RondoError `JOURNAL_DAMAGED` */
export async function didOf(journal: Journal, runId: string): Promise<Did | undefined> {
  const effects = new Map<CallId, Told>();
  const repeated = new Map<CallId, Holder>();
  const changes: EffectChange[] = [];
  const handOuts: HandOutRecord[] = [];
  const run = await followRun(journal, runId, (run, entry) => {
    const handed = handOutsIn(run, entry, handOuts);
    handOuts.push(...handed);
    if (entry.type === 'call.started') {
      const told = startOf(run, entry);
      const before = effects.get(entry.call)?.credentials;
      if (told) effects.set(entry.call, before ? { ...told, credentials: before } : told);
    } else if (entry.type === 'call.finished' || entry.type === 'outcome.settled') receive(effects.get(entry.call), entry);
    for (const { credential, callId } of handed) {
      const told = effects.get(callId);
      if (told) told.credentials = [...(told.credentials ?? []), credential];
    }
    for (const change of effectChanges(run, [entry]) ?? []) {
      changes.push(change);
      if (change.to === 'rebuilt') continue;
      if (change.to === 'repeated') repeated.set(change.call, change.first);
      const told = effects.get(change.call);
      if (told) told.row = changedEffect(told.row, change) ?? told.row;
    }
  });
  return run && { run, effects, handOuts, repeated, changes };
}

function startOf(run: RunFold, entry: EntryOf<'call.started'>): Told | undefined {
  const frame = frameOf(run, entry);
  if (!frame || !startsEffect(run, frame, entry)) return undefined;
  const { call: id, at, effect, intent, amount } = entry;
  const step = frame.kind === 'graph';
  const call = step ? undefined : callIn(frame, id);
  const decided = call?.allowed?.decided;
  const { session, by } = run.started;
  return {
    callId: id,
    at,
    tool: call?.name ?? id.slice(id.indexOf('/') + 1),
    kind: step ? 'step' : frame.kind === 'foreign' ? 'turn' : 'tool',
    effect: effect as EffectRecord['effect'],
    agent: frame.path,
    ...(session !== undefined && { session }),
    ...(by && { by }),
    ...(intent && { intent: { name: intent.name, key: intent.key } }),
    ...(amount && { amount }),
    digest: digest(argumentsIn(run, entry)),
    allowed: decided ? { at: decided.at, by: decided.by } : { at },
  };
}

/** What a call starts with. @param run before the entry. */
export function argumentsIn(run: RunFold, entry: EntryOf<'call.started'>): Json {
  if (entry.input !== undefined) return entry.input;
  const frame = frameOf(run, entry);
  const call = !frame || frame.kind === 'graph' ? undefined : callIn(frame, entry.call);
  // the first turn of a foreign agent has what the agent was asked
  if (frame?.kind === 'foreign' && call?.input === null) return frame.input ?? null;
  return call ? argumentsOf(call) : null;
}

function receive(told: Told | undefined, entry: Extract<Entry, { type: 'call.finished' | 'outcome.settled' }>): void {
  // an attempt that was given up may end after another one went well
  if (!told || (entry.type === 'outcome.settled' && told.output !== undefined && !told.error)) return;
  if (entry.output !== undefined) told.output = entry.output;
  if (entry.type === 'call.finished' && entry.error) told.error = { code: entry.error.code, message: entry.error.message };
  if (entry.type === 'outcome.settled' && entry.outcome === 'done') delete told.error;
}

/** @param live a process drives the run now, so that calls without an end are running. */
export function effectOf(runId: string, { row, ...told }: Told, again: number, live: boolean): EffectRecord {
  const outcome = row?.outcome ?? (live ? 'running' : 'unknown');
  return { runId, ...told, outcome, again, ...(row?.open && { open: true }) };
}

/** The intent of a call, by its newest `call.started`. */
export async function intentOf(journal: Journal, runId: string, callId: CallId): Promise<Intent | undefined> {
  let intent: Intent | undefined;
  for await (const entry of journal.read(runId))
    if (entry.type === 'call.started' && entry.call === callId) intent = entry.intent ?? intent;
  return intent;
}
