/** One user turn of a session, for every server of agents: input, decisions about what its open run asks, or a repeat of either. */

import type { ResumeOptions } from '../engine/drive/resume.ts';
import type { Engine } from '../engine/engine.ts';
import type { RunOptions } from '../engine/options.ts';
import type { RunResult } from '../engine/read/results.ts';
import type { RunEvent } from '../engine/read/run-event.ts';
import { acceptedRun, type Run } from '../engine/run.ts';
import { RondoError } from '../errors.ts';
import { checkDecisions } from '../hitl/decisions.ts';
import { canonical } from '../journal/canonical.ts';
import type { Decision, Limits } from '../journal/entries/entries.ts';
import { promptParts } from '../journal/fold/conversation.ts';
import { type Json, plainJson } from '../json.ts';
import { agentDefinition, isLoop } from '../loop/definition.ts';
import type { Agent } from '../loop/types.ts';
import { inputOf, isConversation } from '../ports/input.ts';
import type { AgentInput } from '../ports/model.ts';
import { isName, isSamePrincipal, type Principal } from '../ports/principal.ts';
import { accepted, idOf, isSameRun, openRunOf } from './accept.ts';
import { assertEngine } from './handle.ts';

/** One turn of a user: an input, or decisions. */
export interface Turn {
  /** As in `engine.run()`. Without one the turn is a conversation of its own, and takes no decisions. */
  session?: string | { id: string; shared?: boolean } | undefined;
  /** The caller, from its authentication. Decisions are recorded as decisions of this principal. */
  by: Principal;
  /** The token of the caller, as in `engine.run()`. */
  assertion?: ResumeOptions['assertion'];
  /** What the agent is asked: a text, parts, a conversation, or the data that its input schema describes. */
  input?: unknown;
  /** About the approvals of the open run of the session. A turn is either input or decisions. */
  decisions?: readonly Decision[] | undefined;
  /** The run that asked for the decisions. Default: it is looked for in the session. */
  runId?: string | undefined;
  /**
   * What the caller says beside decisions. The run gets it once, after the decisions were recorded: not if they are refused, and not if it is the
   * input, or was said to the run before. A graph and a foreign agent get none.
   */
  message?: AgentInput | undefined;
  /**
   * 1 to 500 characters, chosen by the caller. The same caller, agent, session and id are the same turn: the second one starts nothing and gets
   * the answer of the first, even after that has ended. Its input is not looked at.
   */
  requestId?: string | undefined;
  /** Of the run that input starts. */
  limits?: Limits | undefined;
  /** Of the run that input starts. */
  context?: unknown;
  /** Whether the events are read. Default true. `false` costs less, and the models need not stream; `events` has none then. */
  followed?: boolean;
}

/** A turn whose first entry is in the journal. It goes on even if nothing reads it. */
export interface TakenTurn {
  readonly runId: string;
  /** It had been taken before, so this one started nothing. */
  readonly repeated: boolean;
  /**
   * What happens from the start of the turn until the run ends or pauses; of a repeat, from the start of the first one on. To be read once. A
   * caller that does not read them calls `return()`, which does not wait.
   */
  readonly events: AsyncIterableIterator<RunEvent, undefined>;
  /** How the turn ended: with an output, or with a pause, whose approvals the next turn may decide. Rejects as a run does. */
  readonly result: Promise<RunResult>;
}

/**
 * Takes a turn. The promise resolves once the turn survives this process.
 *
 * A repeat is recognised by its `requestId`; without one, equal input of the same caller joins the open run of the session while that still runs.
 * Decisions may be sent again in any case. A repeat continues a turn whose process has died, and so does other input, which is refused meanwhile.
 * @throws RondoError `INPUT_REFUSED` for neither or both of input and decisions, for a bad `requestId`, and for input that is not a text, parts or
 * a conversation; `SESSION_BUSY` for input while a run of the session is open (details `{ runId, approvals }`: decide those first);
 * `APPROVAL_NOT_FOUND` and the other errors of `engine.decide()`; the errors of `engine.run()`.
 */
export async function takeTurn(engine: Engine, agent: Agent, turn: Turn): Promise<TakenTurn> {
  assertEngine(engine, 'takeTurn()', 'an engine, its agent and a turn: (engine, support, { input, session, by })');
  const { input, decisions = [], requestId } = turn;
  if ((input === undefined) === (decisions.length === 0))
    throw refused(
      input === undefined ? 'it has neither input nor decisions' : 'it has input and decisions: send one of them, then the other',
    );
  if (requestId !== undefined && !isName(requestId)) throw refused('requestId is a text of 1 to 500 characters');
  checkDecisions(decisions);
  return input === undefined ? decide(engine, agent, turn, decisions) : start(engine, agent, turn, input);
}

const refused = (why: string) => new RondoError('INPUT_REFUSED', `The turn was not taken: ${why}.`);

async function start(engine: Engine, agent: Agent, turn: Turn, input: unknown): Promise<TakenTurn> {
  const { by, session, requestId, assertion, limits, context } = turn;
  const id = requestId === undefined ? undefined : idOf(by, agent.name, requestId, sessionIdOf(turn));
  checkInput(agent, input);
  const run = engine.run(agent, input, { id, by, session, assertion, limits, context } as RunOptions<Json>);
  try {
    return taken(run, await begunOf(run, turn), false);
  } catch (error) {
    const first = id !== undefined && isSameRun(error, id) ? id : await sameTurn(engine, agent, by, input, error);
    if (first === undefined) {
      kick(engine, agent, turn, error);
      throw error;
    }
    return repeat(engine, agent, turn, first);
  }
}

/** The engine tells an operator of such input as `CONFIG_INVALID`; here it comes from a caller. */
function checkInput(agent: Agent, input: unknown): void {
  if (typeof input === 'string') return;
  let json: Json;
  try {
    json = plainJson(input) as Json;
  } catch (error) {
    throw refused(`its input must be plain JSON: ${(error as Error).message}`);
  }
  if (!agentDefinition(agent).input) inputOf(json, (why) => refused(`its input does not fit: ${why}`));
}

async function begunOf(run: Run, { followed = true }: Turn): Promise<AsyncIterator<RunEvent>> {
  if (followed) return accepted(run);
  await acceptedRun(run);
  return { next: async () => ({ done: true, value: undefined }) };
}

/** Lets the open run of the session go on where it can: its process may have died, or an approval expired, and no worker need be there. */
function kick(engine: Engine, agent: Agent, { by, assertion }: Turn, error: unknown): void {
  const open = openRunOf(error);
  // RUN_BUSY: it goes on already
  if (open !== undefined) engine.resume(open, { agent, by, assertion }).catch(() => undefined);
}

const sessionIdOf = ({ session }: Turn) => (typeof session === 'object' ? session.id : session);

/** The open run that keeps the session busy, if it still runs and the same caller started it with the same input. */
async function sameTurn(engine: Engine, agent: Agent, by: Principal, input: unknown, error: unknown): Promise<string | undefined> {
  const open = openRunOf(error);
  if (open === undefined || (await engine.inspect(open, { by })).status !== 'running') return undefined;
  const json = plainJson(input) as Json;
  for await (const entry of engine.entries(open, { by })) {
    if (entry.type !== 'run.started' || entry.agent !== agent.name || !isSamePrincipal(entry.by, by)) return undefined;
    const asked = isConversation(json) ? inputOf(json, refused) : { input: json };
    const was = { input: entry.input, ...(entry.earlier && { earlier: entry.earlier }) };
    return canonical({ ...asked } as Json) === canonical(was as Json) ? open : undefined;
  }
  return undefined;
}

/** Records the decisions, which may be there already, and resumes the run. */
async function decide(engine: Engine, agent: Agent, turn: Turn, decisions: readonly Decision[]): Promise<TakenTurn> {
  const { by, assertion } = turn;
  const runId = await decidedRun(engine, agent, turn, decisions);
  const { approvals } = await engine.inspect(runId, { by });
  const open = new Set(approvals.map(({ id }) => id));
  await engine.decide(runId, decisions, { by });
  const isNew = decisions.some(({ approval }) => open.has(approval));
  await tell(engine, agent, turn, runId, decisions, isNew);
  const begins = (event: RunEvent) => event.type === 'approval.decided' && event.decision.approval === decisions[0]?.approval;
  if (!isNew) return repeat(engine, agent, turn, runId, begins);
  const run = engine.resume(runId, { agent, by, assertion });
  try {
    return taken(run, await begunOf(run, turn), false);
  } catch (error) {
    // a process that works on due runs was faster
    if (RondoError.is(error, 'RUN_BUSY')) return attached(engine, by, runId, false, begins);
    throw error;
  }
}

/**
 * Sends what the caller said beside the decisions. A repeat sends it only if the first turn ended between the decisions and the message. A page that
 * was shown nothing of the run yet has what the user said before as its last message, and sends that again.
 */
async function tell(
  engine: Engine,
  agent: Agent,
  { by, message }: Turn,
  runId: string,
  [first]: readonly Decision[],
  isNew: boolean,
): Promise<void> {
  // only a model can be told something midway
  if (message === undefined || !isLoop(agentDefinition(agent))) return;
  if (!isNew && (await engine.inspect(runId, { by })).status !== 'paused') return;
  const said = saidIn(message as Json);
  let decided = false;
  for await (const entry of engine.entries(runId, { by }))
    if (entry.type === 'approval.decided') decided ||= entry.id === first?.approval;
    else if (entry.type === 'run.started' && saidIn(entry.input) === said) return;
    else if (entry.type === 'message.received' && entry.kind === 'steering') {
      // a guardrail may have changed it
      const repeated = decided && isSamePrincipal(entry.by, by);
      if (repeated || saidIn(entry.content as Json) === said) return;
    }
  await engine.send(runId, message, { by });
}

const saidIn = (content: Json): string => canonical(promptParts(content) as Json);

/** Most runs of a session that are looked through for an approval, newest first. */
const LOOKED_AT = 20;

/** The run that asked for the approvals: of the caller's session, or of a session of this id in its tenant, if somebody else must decide. */
async function decidedRun(engine: Engine, agent: Agent, turn: Turn, decisions: readonly Decision[]): Promise<string> {
  const { by } = turn;
  const session = sessionIdOf(turn);
  const asked = decisions[0]?.approval;
  if (
    turn.runId !== undefined &&
    (await engine.inspect(turn.runId, { by })).agent === agent.name &&
    (await hasAsked(engine, by, turn.runId, asked))
  )
    return turn.runId;
  if (session !== undefined && turn.runId === undefined) {
    for await (const { runId } of engine.runs({ session, by, agent: agent.name, limit: LOOKED_AT }))
      if (await hasAsked(engine, by, runId, asked)) return runId;
    for await (const { id, runId, agent: top, session: its } of engine.approvals({ by }))
      if (id === asked && its === session && top === agent.name) return runId;
  }
  throw new RondoError(
    'APPROVAL_NOT_FOUND',
    `${turn.runId === undefined ? `Session ${session ?? '(none)'}` : `Run ${turn.runId}`} has no approval "${asked}". The answer that paused lists those there are.`,
    {
      details: { approval: asked ?? null },
    },
  );
}

async function hasAsked(engine: Engine, by: Principal, runId: string, approval: string | undefined): Promise<boolean> {
  for await (const entry of engine.entries(runId, { by })) if (entry.type === 'approval.requested' && entry.id === approval) return true;
  return false;
}

/** The answer of a turn that was taken before. If its process has died, it goes on here. */
async function repeat(engine: Engine, agent: Agent, turn: Turn, runId: string, begins?: (event: RunEvent) => boolean): Promise<TakenTurn> {
  const { by, assertion } = turn;
  const { status } = await engine.inspect(runId, { by });
  if (status === 'running' || (begins && status === 'paused'))
    try {
      const events = await accepted(engine.resume(runId, { agent, by, assertion }));
      await events.return?.();
    } catch (error) {
      if (!RondoError.is(error, 'RUN_BUSY')) throw error;
    }
  return attached(engine, by, runId, true, begins);
}

function taken(run: Run, events: AsyncIterator<RunEvent>, repeated: boolean): TakenTurn {
  const result = (async () => run)();
  result.catch(() => undefined);
  return { runId: run.id, repeated, events: readOnce(events), result };
}

/** Follows a run that this call did not start. `begins` picks the first event of the turn; without it the turn begins with the run. */
function attached(engine: Engine, by: Principal, runId: string, repeated: boolean, begins?: (event: RunEvent) => boolean): TakenTurn {
  const left = new AbortController();
  const events = ofTurn(engine.watch(runId, { by, signal: left.signal }), begins);
  const result = ending(runId, ofTurn(engine.watch(runId, { by }), begins));
  result.catch(() => undefined);
  return { runId, repeated, events: readOnce(events, () => left.abort()), result };
}

/** The events of one turn: until the run ends or pauses for the first time after its beginning. */
async function* ofTurn(
  events: AsyncIterable<RunEvent>,
  begins: ((event: RunEvent) => boolean) | undefined,
): AsyncGenerator<RunEvent, undefined> {
  let begun = false;
  for await (const event of events) {
    if (begun) {
      yield event;
      if (event.type === 'run.ended') return;
    } else begun = begins === undefined || begins(event);
  }
}

async function ending(runId: string, events: AsyncIterable<RunEvent>): Promise<RunResult> {
  for await (const event of events) if (event.type === 'run.ended') return event.result;
  throw new RondoError('RUN_BUSY', `run ${runId} goes on in another process. Send the turn again, or watch() the run.`, {
    details: { runId },
  });
}

/** @param leave ends a pending read: `return()` of the source may wait for it. */
function readOnce(source: AsyncIterator<RunEvent>, leave?: () => void): AsyncIterableIterator<RunEvent, undefined> {
  return {
    next: async () => {
      const item = await source.next();
      return item.done ? { done: true, value: undefined } : item;
    },
    return: async () => {
      leave?.();
      source.return?.()?.catch(() => undefined);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
