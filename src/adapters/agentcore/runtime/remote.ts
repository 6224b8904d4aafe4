import { randomUUID } from 'node:crypto';
import { invalid, ToolError } from '../../../errors.ts';
import { type ForeignIntent, foreignAgent } from '../../../foreign/foreign.ts';
import type { Limits } from '../../../journal/entries/entries.ts';
import { type Json, plainJson } from '../../../json.ts';
import type { Agent } from '../../../loop/types.ts';
import { checkOptions } from '../../../options.ts';
import type { TurnContext } from '../../../ports/foreign.ts';
import type { AgentInput, Prompt } from '../../../ports/model.ts';
import type { Effect, Retry } from '../../../ports/tool.ts';
import { isSessionId } from '../headers.ts';
import { failureOf } from './remote-errors.ts';
import { EXAMPLES, masking, RuntimeLine, type RuntimeOptions } from './remote-line.ts';
import { sessionOf, stop, takeTurn, type Waiting } from './remote-turn.ts';

export interface AgentCoreRuntimeOptions extends RuntimeOptions, ForeignIntent {
  /** Default: derived from the name in the ARN. */
  name?: string;
  /** Shown to a supervising model. */
  description?: string;
  /** Whether an invocation may be sent twice. A runtime of `serve()` knows a repeat, so `idempotent` is right for it. Default `once`. */
  effect?: Effect;
  /** Milliseconds of one attempt at a turn. What the runtime streams restarts it. Default 900,000. */
  timeout?: number;
  retry?: Retry;
  limits?: Limits;
  /** The session of the runtime, 33 to 256 characters. Default: derived from the run, the same for all turns of this agent in it. */
  session?(ctx: Pick<TurnContext, 'thread'>): string;
  /** The user on whose behalf it is called, of signed calls: needs `bedrock-agentcore:InvokeAgentRuntimeForUser`. */
  user?(ctx: TurnContext): string | undefined;
  /** The payload of a first turn, for a program that expects another than `{ prompt, requestId }`. */
  payload?(input: Prompt, ctx: TurnContext): Json;
  /** Most bytes of one answer. Default 16,000,000. */
  maxBytes?: number;
}

const TIMEOUT = 900_000;
const MOST_BYTES = 16_000_000;

/**
 * An agent on AgentCore Runtime, to run by itself, under a supervisor or in a graph. It is called once for each turn, whatever the AWS client's
 * own retries are. Approvals of a run of `serve()` become approvals of this run. Its output is a text, or the JSON that it answers with.
 * A failure is a `ToolError`: `not-run` only if the call certainly did not reach the program. docs/agentcore/calling.md has the table.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function agentcoreRuntime(o: AgentCoreRuntimeOptions): Agent<AgentInput, Json, Record<never, never>> {
  const where = 'agentcoreRuntime()';
  checkOptions(o, OPTIONS, where);
  const line = new RuntimeLine(o, where);
  const { maxBytes = MOST_BYTES, effect = 'once', session, user, payload } = o;
  if (!(maxBytes > 0)) throw invalid(`${where}: maxBytes is a number above 0.`);
  const name = o.name ?? nameIn(o.arn);
  const remote = {
    name,
    line,
    maxBytes,
    sessionOf: (ctx: Pick<TurnContext, 'thread'>) => checked(session?.(ctx) ?? sessionOf(ctx.thread)),
    userOf: user && ((ctx: TurnContext) => user.call(o, ctx)),
    payload: payload && ((input: Prompt, ctx: TurnContext) => payload.call(o, input, ctx)),
  };
  return foreignAgent<Json, Waiting>({
    name,
    description: o.description ?? `The agent ${name} on AgentCore Runtime.`,
    effect,
    timeout: o.timeout ?? TIMEOUT,
    retry: o.retry,
    limits: o.limits,
    key: o.key,
    intent: o.intent,
    remember: o.remember,
    turn: (turn, ctx) => takeTurn(remote, turn, ctx),
    cancel: ({ session }, ctx) => stop(remote, session, ctx),
  });
}

const OPTIONS = {
  ...EXAMPLES,
  name: "name: 'desk'",
  description: "description: 'Answers questions about orders'",
  effect: "effect: 'idempotent'",
  timeout: 'timeout: 60_000',
  retry: 'retry: { attempts: 3 }',
  limits: 'limits: { time: 60_000 }',
  session: 'session: ({ thread }) => thread',
  user: 'user: ({ by }) => by?.id',
  payload: 'payload: (input) => ({ question: input })',
  maxBytes: 'maxBytes: 1_000_000',
  key: "key: (input) => 'report:' + input",
  intent: "intent: 'reports.monthly'",
  remember: 'remember: 30 * 86_400_000',
} satisfies Record<keyof AgentCoreRuntimeOptions, string>;

const nameIn = (arn: string) => (/runtime\/(.+)-[^-]*$/.exec(arn)?.[1] ?? 'remote').slice(0, 64);

/** A session id that is too short would be refused by AWS. */
export function checked(session: string): string {
  if (typeof session === 'string' && isSessionId(session)) return session;
  throw new ToolError('AGENTCORE_SESSION_INVALID', 'the id of a session is a text of 33 to 256 characters.', { outcome: 'not-run' });
}

/**
 * The card of a runtime of the protocol A2A, untrusted JSON. `a2aAgent()` talks to such a runtime with a token.
 * @throws ToolError, as `agentcoreRuntime()`.
 */
export async function runtimeCard(
  o: RuntimeOptions,
  { signal = AbortSignal.timeout(60_000) }: { signal?: AbortSignal } = {},
): Promise<Json> {
  checkOptions(o, EXAMPLES, 'runtimeCard()');
  const line = new RuntimeLine(o, 'runtimeCard()');
  const token = await line.token();
  try {
    return plainJson(await line.card(`card-${randomUUID()}`, signal, token)) ?? null;
  } catch (error) {
    throw failureOf(error, `agent "${nameIn(o.arn)}"`, false, masking(token));
  }
}
