import type { Json } from '../json.ts';
import type { JsonSchema } from '../schema.ts';
import type { Secrets } from '../secrets.ts';
import type { ModelDelta, Prompt, Usage } from './model.ts';
import type { Principal } from './principal.ts';
import type { Decision, DecisionType } from './tool.ts';

/**
 * What a foreign agent is asked to do: begin, or go on from the state it gave when it paused. `answers` has one for each of its
 * asks, in their order; one that a person rejected is there too. `by`: who decided; left out where the ask expired.
 */
export type Turn<St extends Json = Json> =
  | { type: 'start'; input: Prompt }
  | { type: 'resume'; state: St; answers: readonly { id: string; decision: Decision; by?: Principal }[] };

/**
 * How a turn ended. A failure is thrown: a `ToolError` says its code and outcome. `usage` (tokens) and `costUsd` (US dollars) are of
 * this turn alone; usage without a cost makes the run's cost unknown, and what is not told is not counted.
 */
export type TurnResult<O = string, St extends Json = Json> = { usage?: Usage; costUsd?: number } & (
  | { status: 'completed'; output: O }
  | { status: 'paused'; state: St; asks: readonly [Ask, ...Ask[]] }
);

/**
 * What a foreign agent wants of a person. `id` is its own, unique within the turn. `roles`: who may decide, anybody where it is left out.
 * `expires`: ms; a later decision is refused, and the agent is told that no decision came (`reject`).
 */
export type Ask = { id: string; reason?: string; allow?: readonly DecisionType[]; roles?: readonly string[]; expires?: number } & (
  | { kind: 'question'; question: string; answer?: JsonSchema }
  | { kind: 'tool'; tool: string; input: Json }
  | { kind: 'consent'; provider: string; url: string }
);

/** What a turn may use. */
export interface TurnContext {
  /** Aborted when the run is cancelled or the turn timed out. */
  readonly signal: AbortSignal;
  /** The same for every attempt of this turn, also after a crash; another one for the next turn. */
  readonly idempotencyKey: string;
  /** Names this agent's part of the run, the same over all its turns: what a thread or a remote context is to be derived from. */
  readonly thread: string;
  readonly attempt: number;
  readonly runId: string;
  readonly session: string | undefined;
  readonly by: Principal | undefined;
  /** Who decided the answers of this turn, where one person did: for a service that must see them, rather than who started the run. */
  readonly decidedBy: Principal | undefined;
  readonly context: unknown;
  /** How deep in the tree of agents this one is; 1 for a sub-agent of the top. */
  readonly depth: number;
  /** W3C trace context of this turn's span, to be sent with requests. */
  readonly traceparent: string | undefined;
  /**
   * The run's secrets. `add` names those that this turn hands out, such as a token: from then on they are masked in all that is said in the run.
   * `mask` does so at once, for a text that is to be cut.
   */
  readonly secrets: Pick<Secrets, 'add' | 'mask' | 'maskJson'>;
  /** A sign of life: the timeout of this attempt begins again. */
  alive(): void;
  /** Set while somebody listens: text as it is made. It is a sign of life too. */
  readonly emit: ((delta: ModelDelta) => void) | undefined;
}
