import type { Json } from '../json.ts';
import type { JsonSchema } from '../schema.ts';
import type { Secrets } from '../secrets.ts';
import type { ModelDelta, Prompt, Usage } from './model.ts';
import type { Principal } from './principal.ts';
import type { Decision, DecisionType } from './tool.ts';

/**
 * The input of a foreign agent's turn: start, or resume from the state of its last pause. `answers` has one answer for each of its asks, in
 * order, rejections included. `by`: the person who decided; absent if the ask expired.
 */
export type Turn<St extends Json = Json> =
  | { type: 'start'; input: Prompt }
  | { type: 'resume'; state: St; answers: readonly { id: string; decision: Decision; by?: Principal }[] };

/**
 * The result of a turn. Failures are thrown, as a `ToolError` with code and outcome. `usage` (tokens) and `costUsd` (US dollars) are those
 * of this turn alone. Usage without a cost or a price makes the run's cost unknown. Without both, nothing is counted. `unmetered`: more was
 * used than `usage` says, such as by a model that does not report it. The cost is unknown then, and a limit of tokens or dollars stops the run.
 * So it is after a turn that was given up while it ran, until its late result says what it used.
 */
export type TurnResult<O = string, St extends Json = Json> = { usage?: Usage; costUsd?: number; unmetered?: true } & (
  | { status: 'completed'; output: O }
  | { status: 'paused'; state: St; asks: readonly [Ask, ...Ask[]] }
);

/**
 * A question of a foreign agent to a person. `id` is the agent's own, unique within the turn. `allow`: the decisions offered; default: respond
 * and reject for a question, approve, edit and reject for a tool, approve and reject for a consent. `roles`: who may decide; default: anyone.
 * `expires`: milliseconds. A later decision is refused, and the agent gets a rejection.
 */
export type Ask = { id: string; reason?: string; allow?: readonly DecisionType[]; roles?: readonly string[]; expires?: number } & (
  | { kind: 'question'; question: string; answer?: JsonSchema }
  | { kind: 'tool'; tool: string; input: Json }
  | { kind: 'consent'; provider: string; url: string }
);

/** The context of a turn. */
export interface TurnContext {
  /** Aborted when the run is cancelled or the turn timed out. */
  readonly signal: AbortSignal;
  /** The same for every attempt of this turn, even after a crash. The next turn has another one. */
  readonly idempotencyKey: string;
  /** Identifies this agent in the run; the same for all its turns. Use it to derive the id of a thread or a remote context. */
  readonly thread: string;
  /** From 1. */
  readonly attempt: number;
  readonly runId: string;
  /** As the application named it; undefined for a run without one. */
  readonly session: string | undefined;
  /** The principal of the run; undefined for a run of the application. */
  readonly by: Principal | undefined;
  /** The person who gave all answers of this turn, for a service that must know; undefined if there were none or several. */
  readonly decidedBy: Principal | undefined;
  /** The run's context, as the application passed it; an empty object if it passed none. */
  readonly context: unknown;
  /** The depth in the tree of agents: 1 for a sub-agent of the top agent. */
  readonly depth: number;
  /** W3C trace context of this turn's span, to be sent with requests. */
  readonly traceparent: string | undefined;
  /**
   * The run's secrets. `add` those that this turn uses, such as a token: from then on they are masked in all output of the run.
   * `mask` a text before you cut it, because half a secret is not recognised.
   */
  readonly secrets: Pick<Secrets, 'add' | 'mask' | 'maskJson'>;
  /** Reports progress: restarts the timeout of this attempt. */
  alive(): void;
  /** Streams text. Set while there is a listener. It reports progress too. */
  readonly emit: ((delta: ModelDelta) => void) | undefined;
}
