/** Forks: a new run from any position of an old one, which is unchanged. */

import { invalid } from '../errors.ts';
import { isGraph } from '../graph/definition.ts';
import type { State } from '../graph/state.ts';
import { approvalId } from '../hitl/approvals.ts';
import type { CallId, Draft, Entry, Limits } from '../journal/entries/entries.ts';
import { limitsWith } from '../journal/entries/limits.ts';
import { forgottenUpTo } from '../journal/entries/redact.ts';
import { emptyFold, type Frame, type RunFold, unfinishedCalls } from '../journal/fold/fold.ts';
import { frameOf } from '../journal/fold/frame.ts';
import { copyJson, isSameJson, type Json } from '../json.ts';
import { checkLimits } from '../loop/definition.ts';
import type { Agent, AgentDefinition } from '../loop/types.ts';
import { checkOptions, plain } from '../options.ts';
import { checkBy, type Principal, principal } from '../ports/principal.ts';
import { type Schema, validate } from '../schema.ts';
import { runFor } from './access.ts';
import { filledStates } from './drive/changed.ts';
import { drive } from './drive/drive.ts';
import type { LiveRun } from './drive/live-run.ts';
import { agentFor, unregistered } from './drive/resume.ts';
import { findRun } from './read/lookup.ts';
import type { RunResult } from './read/results.ts';
import type { Resources } from './resources.ts';

/** Where a fork begins, and what it changes. */
export interface ForkOptions {
  /** The last entry to copy: the `seq` of an event or of `inspect()`. */
  at: number;
  /** A new state for a graph. It replaces the whole state. */
  state?: Json;
  /** Default: a new one. */
  id?: string;
  /** Continues with this agent, as in `resume`. */
  agent?: Agent;
  /** The principal of the new run. Default: that of the old run. */
  by?: Principal;
  /** They override those of the old run. */
  limits?: Limits;
  /** Cancels the new run once it is aborted. */
  signal?: AbortSignal;
}

const FORK = {
  at: 'at: 12',
  state: "state: { topic: 'tea' }",
  id: 'id: requestId',
  agent: 'agent: support',
  by: "by: { id: 'ana' }",
  limits: 'limits: { steps: 20 }',
  signal: 'signal: request.signal',
} satisfies Record<keyof ForkOptions, string>;

/** Checks the options of a fork, before anything starts. @throws RondoError `CONFIG_INVALID`. */
export function checkFork(runId: string, o: ForkOptions): void {
  const where = `the fork of run ${runId}`;
  checkOptions(o ?? {}, FORK, where, { signal: 'signal' });
  if (!Number.isInteger(o?.at) || o.at < 0)
    throw invalid(`${where} needs { at }: the seq of the last entry it takes over, a whole number of 0 or more.`);
  checkLimits(o.limits, where);
  checkBy(o.by, where);
}

/**
 * Appends the copied entries as a new run and drives it. Entries keep their sequence numbers, because call ids contain them. Entries that
 * do not apply to another run become `entry.omitted`. Calls that had not ended run again and need new approvals.
 */
export async function fork(resources: Resources, live: LiveRun, runId: string, o: ForkOptions): Promise<RunResult> {
  const { journal } = resources;
  // first check that the caller may see the run, so that other errors reveal nothing about it
  const whole = await runFor(resources, runId, o.by, 'run');
  const entries: Entry[] = [];
  for await (const entry of journal.read(runId)) entries.push(entry);
  const at = boundary(runId, entries.slice(0, whole.next), o.at);
  const old = await findRun(journal, runId, o.by, at);
  const forgotten = forgottenUpTo(old.started);
  assertKnown(old, entries, forgotten, o);
  const agent = agentFor(resources, old, o.agent);
  if (!agent) throw unregistered(runId, old.root.agent);
  const by = o.by ? principal(o.by) : old.started.by;
  live.asked = { by, agent: agent.name, session: undefined };
  const limits = limitsWith(old.limits, o.limits);
  const history = old.root.messages.slice(0, old.root.inherited);
  const started: Draft & { type: 'run.started' } = {
    ...firstOf(old),
    owner: resources.owner,
    fingerprint: agent.fingerprint,
    fork: { run: runId, at },
    ...(forgotten >= 0 && { forgotten: Math.min(forgotten, at) }),
    limits,
    by,
    ...(history.length > 0 && { history }),
  };
  const taken = takenOver(old, entries.slice(1, at + 1), live.runId, await resources.host.now());
  const state = o.state === undefined ? undefined : await newState(old, agent, o.state);
  const given: readonly Draft[] = state ? [{ type: 'state.changed', state }] : [];
  const filled = await filledStates(agent, old, state);
  return drive(resources, live, {
    agent,
    run: emptyFold(live.runId, agent.name, history),
    opening: (trace) => [trace ? { ...started, trace } : started, ...taken, ...given, ...filled],
    limits,
    session: undefined,
    by,
  });
}

/** The first entry of the old run without its session: a fork does not belong to a session. */
function firstOf({ started }: RunFold): Draft & { type: 'run.started' } {
  const { agent, fingerprint, input, earlier, owner, context, level, toolChoice, tags, verdicts } = started;
  return {
    type: 'run.started',
    agent,
    fingerprint,
    input,
    earlier,
    owner,
    context,
    level,
    toolChoice,
    tags,
    verdicts,
  };
}

/**
 * The last entry to copy. Entries that belong together are not separated.
 * @throws RondoError `CONFIG_INVALID` for a position that the run does not have, or after which it has nothing left to do.
 */
function boundary(runId: string, entries: readonly Entry[], at: number): number {
  if (at >= entries.length)
    throw invalid(`run ${runId} has the entries 0 to ${entries.length - 1}: a fork of it cannot take over those up to ${at}.`);
  let last = at;
  while (last + 1 < entries.length && belongs(entries[last] as Entry, entries[last + 1] as Entry)) last++;
  const end = [entries[last], entries[last + 1]].find((e) => e?.type === 'run.settled' && e.status === 'completed');
  if (end) throw invalid(`run ${runId} had nothing left to do after entry ${at}: it was completed at ${end.seq}. Fork it further up.`);
  return last;
}

/**
 * Whether two entries must not be separated: a sub-agent's last entry and the end of its call; an answer and the request to repair it; a
 * foreign agent's turn and its approval requests.
 */
const belongs = (entry: Entry, next: Entry) =>
  (next.type === 'call.finished' && next.call === entry.frame) ||
  (next.type === 'approval.requested' && next.frame === entry.frame && madeBy(entry) === Number.parseInt(next.call, 10)) ||
  (next.type === 'message.received' && next.kind === 'repair' && next.frame === entry.frame && entry.type === 'model.responded');

/** Sequence number of the entry that created the calls of a `call.finished` or an approval request; undefined for other types. */
const madeBy = (entry: Entry) =>
  entry.type === 'call.finished' ? entry.seq : entry.type === 'approval.requested' ? Number.parseInt(entry.call, 10) : undefined;

/**
 * What was forgotten cannot be done again: schemas would fill in what is missing, and effects would happen with it.
 * @param forgotten the last entry without content. @throws RondoError `CONFIG_INVALID`
 */
function assertKnown(run: RunFold, entries: readonly Entry[], forgotten: number, o: ForkOptions): void {
  const { runId } = run;
  const call = unfinishedCalls(run).find(({ id, status }) => status !== 'finished' && Number.parseInt(id, 10) <= forgotten);
  if (call)
    throw invalid(
      `run ${runId} was forked from a run that was forgotten, so nothing is known of what call ${call.id} (${call.name}) was given, and entry ${o.at} is before its end. Fork it further down.`,
    );
  const stateless = entries.some(({ type, seq, frame }) => type === 'frame.began' && frame === undefined && seq <= forgotten);
  if (stateless && o.state === undefined)
    throw invalid(
      `run ${runId} was forked from a run that was forgotten, with its state. Give the fork a whole one: fork(runId, { at: ${o.at}, state }).`,
    );
}

/** The entries of the old run as they apply to the new one, at the same positions. */
function takenOver(old: RunFold, entries: readonly Entry[], runId: string, now: number): Draft[] {
  const undone = new Set<CallId>(unfinishedCalls(old).flatMap((c) => (c.status === 'finished' || c.frame ? [] : [c.id])));
  const asked = new Map<CallId, number>();
  return entries.map((entry): Draft => {
    const { v: _, seq: _s, at, ...draft } = entry;
    const omitted: Draft = { type: 'entry.omitted', was: entry.type };
    switch (draft.type) {
      case 'run.claimed':
      case 'run.settled':
      // the old run records its own conversation
      case 'memory.due':
      case 'memory.recorded':
      case 'intent.reopened':
      case 'call.dismissed':
      case 'run.evaluated':
        return omitted;
      case 'message.received':
        return draft.kind === 'cancel' ? omitted : draft;
      case 'call.started':
        return undone.has(draft.call) && !isNode(old, draft) ? omitted : draft;
      case 'outcome.settled':
      case 'event.rejected':
        return undone.has(draft.call) ? omitted : draft;
      // a time told in milliseconds counts from the fork on; a time of day stays
      case 'wait.began':
        return undone.has(draft.call) && draft.for !== undefined ? { ...draft, until: now + draft.for } : draft;
      // a decision is valid only in the run in which it was made
      case 'approval.decided':
        return undone.has(old.approvals.get(draft.id)?.call.id ?? '') ? omitted : draft;
      case 'approval.requested': {
        const nth = asked.get(draft.call) ?? 0;
        asked.set(draft.call, nth + 1);
        if (!undone.has(draft.call)) return draft;
        const { expiresAt } = draft;
        const id = approvalId(runId, { id: draft.call, name: draft.tool }, draft.digest, draft.kind, nth);
        return { ...draft, id, ...(expiresAt !== undefined && { expiresAt: now + expiresAt - at }) };
      }
      default:
        return draft;
    }
  });
}

/** Whether a call is a node of a graph. Its start is copied, because it means that the node was released from its join. */
const isNode = (run: RunFold, entry: { frame?: string | undefined; call: CallId }) =>
  frameOf(run, entry)?.kind === 'graph' && !entry.call.includes('/');

/** @throws RondoError `CONFIG_INVALID` for a run without a state, and for a value that is not a JSON object. */
async function newState(old: RunFold, agent: AgentDefinition, state: unknown): Promise<State> {
  const { kind, state: before } = old.root;
  if (kind !== 'graph' || before === undefined)
    throw invalid(`run ${old.runId} has no state at that entry that could be changed: only graphs have one.`);
  const json = plain(state, 'the state');
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw invalid(`the state is an object with all of its fields: ${Object.keys(before ?? {}).join(', ')}.`);
  const fields = isGraph(agent) ? agent.fields : undefined;
  const odd = Object.keys(json).find((key) => fields && !fields.has(key));
  if (odd !== undefined) throw invalid(`the state has no field "${odd}". It has ${[...(fields ?? [])].join(', ')}.`);
  return agent.input ? fitted(agent.name, agent.input.schema, json as State, old.root) : (json as State);
}

/**
 * What the schema makes of a new state. A field that is as it was stays so, because a schema need not take what it or a node has made.
 * @throws RondoError `CONFIG_INVALID`
 */
async function fitted(graph: string, schema: Schema, given: State, { state: was, input }: Frame): Promise<State> {
  if (isSameJson(given, was)) return given;
  const same = (field: string) => Object.hasOwn(Object(was), field) && isSameJson(given[field], (was as State)[field]);
  const [kept, changed] = [pick(given, same), pick(given, (field) => !same(field))];
  const valid = await validate(schema, copyJson(given));
  // where the schema does not take the state as it was, the input stands for the fields that are kept
  const takes = valid.ok || (await validate(schema, copyJson(was))).ok;
  const judged = takes ? valid : await validate(schema, copyJson({ ...pick(Object(input), (field) => field in kept), ...changed }));
  if (!judged.ok) throw invalid(`the state does not fit graph "${graph}": ${judged.problem}.`);
  return { ...(plain(judged.value, 'what the schema makes of the state') as State), ...kept };
}

const pick = (state: State, when: (field: string) => boolean): State =>
  Object.fromEntries(Object.entries(state).filter(([field]) => when(field)));
