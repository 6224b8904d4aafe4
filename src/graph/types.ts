import type { Mistake } from '../errors.ts';
import type { Limits } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { WaitFor } from '../loop/call/wait.ts';
import type { Agent } from '../loop/types.ts';
import type { Principal } from '../ports/principal.ts';
import type { Breaker, Effect, Retry } from '../ports/tool.ts';
import type { Out, SchemaLike } from '../schema.ts';

/** New values for some fields of the state. */
export type Update<S> = { readonly [K in keyof S]?: S[K] };

/** Merges an update into the current value of a field. Without a reducer the value is replaced. Called once per update, never in a replay. */
export type Reducers<S> = { readonly [K in keyof S]?: (now: S[K], update: S[K]) => S[K] };

/** The context that the function of a durable step gets. */
export interface StepContext {
  /** Aborted at the attempt's timeout, the step's deadline, or when the run is cancelled. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
  /** The same for every attempt of this step, even after a crash. */
  readonly idempotencyKey: string;
  /** Reports progress: restarts `timeout`. The step's `deadline` and the run's are unchanged. */
  alive(): void;
}

/** Timeouts, retries and the breaker of a durable step. Default: the engine's `reliability.tools`, then the defaults of a tool. */
export interface StepOptions {
  /** Whether the step may run twice. Default `once`: it is tried again only if it is known not to have run. */
  effect?: Effect;
  /** Milliseconds of one attempt. Default 60,000. */
  timeout?: number;
  /** Milliseconds of all attempts and the waits between them. Default: none. */
  deadline?: number;
  /** Absent fields come from the engine. A `once` step is retried only if it is known not to have run. */
  retry?: Retry;
  /**
   * Identifies the effect of the step, 1 to 512 characters. A key runs once in a node of a graph, over all runs and processes of a tenant. A
   * later step with a key that is done gets the first result. Not for a `read` step.
   */
  key?: string;
  /**
   * The amounts of the step by unit, for the ledger and the limits `amounts`: `{ usd: 12.5 }`. A unit is `[a-z][a-z0-9_-]{0,31}`, an amount is 0
   * or more, with at most 6 decimals. A step that would cross a limit does not start: the run stops. The node runs again after the limit is raised.
   */
  amount?: Readonly<Record<string, number>>;
  /** The circuit breaker of all steps of this name in this node, in every run of the engine. `false`: none. */
  breaker?: Breaker | false;
}

/** What a node's function gets besides the state. */
export interface NodeContext<C = unknown> {
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  /** The run's context, as the application passed it; an empty object if it passed none. */
  readonly context: C;
  readonly runId: string;
  /** The principal of the run; undefined for a run of the application. */
  readonly by: Principal | undefined;
  /** The `input` of the `send` that led here; undefined after an ordinary edge. */
  readonly item: Json | undefined;
  /**
   * Runs `fn` and journals its result. After a crash the result is read from the journal, and `fn` does not run again. Timeouts, retries
   * and the breaker work as for a tool call. `name` is unique within the node: a second step of that name is refused (`STEP_INVALID`),
   * unless the first failed.
   * @returns what `fn` returned, as JSON of at most 1,048,576 characters.
   * @throws what the last attempt threw. ToolError `OUTCOME_UNKNOWN` for a `once` step that a crash interrupted, or that failed but may
   * have taken effect; `STEP_FAILED` once an operator said that it has failed; `INTENT_BUSY` if another run is using its key; `AMOUNT_INVALID`; `LIMIT_REACHED` where its amount would cross a limit, which also
   * stops the run; `STEP_INVALID` for a bad name, option or result; `STEP_LATE` after the node has ended.
   */
  durable<T>(name: string, fn: (step: StepContext) => T | Promise<T>, options?: StepOptions): Promise<T>;
}

type InputOf<A> = A extends Agent<infer I, infer _O, infer _C> ? I : never;
type OutputOf<A> = A extends Agent<infer _I, infer O, infer _C> ? O : A extends SchemaLike ? Out<A> : never;

/** Names in an update that are not fields of the state, as far as the types tell. */
type Odd<S, U> = U extends object ? (string extends keyof U ? never : Exclude<keyof U, keyof S> & string) : never;
/** `R` if it is a valid update, else an error message as a type. */
type Returned<S, R> = [Odd<S, Awaited<R>>] extends [never]
  ? // biome-ignore lint/suspicious/noConfusingVoidType: a function that changes nothing returns nothing
    (Update<S> | void | Promise<Update<S> | void>) & R
  : Mistake<`The state has no field "${Odd<S, Awaited<R>>}". It has: ${keyof S & string}`>;

/** A node: a function, an agent, a question to a person, or a wait. `item` is the `input` of the `send` that led to the node. */
export type NodeSpec<S, A> =
  | ((state: S, ctx: NodeContext) => Returned<S, A>)
  | { agent: A; input: (state: S, item: Json | undefined) => InputOf<A>; output: (output: OutputOf<A>, state: S) => Update<S> }
  | {
      /** The question. */
      ask: (state: S, item: Json | undefined) => string;
      answer: A;
      reason?: string;
      /** Who may answer. Default: anyone. */
      roles?: readonly string[];
      role?: Mistake<"Write roles, a list of names: roles: ['lead']">;
      /** Milliseconds after asking. Without an answer by then, the graph fails with `APPROVAL_EXPIRED`. */
      expires?: number;
      output: (answer: OutputOf<A>, state: S) => Update<S>;
    }
  | {
      /** The name of the event that this branch waits for, without a process: see `engine.signal()`. */
      event: string;
      /** The key that the event must have. */
      key: (state: S, item: Json | undefined) => string;
      /** The schema of the event's data. An event that does not fit is rejected, and the node keeps waiting. */
      schema: A;
      /** Milliseconds. */
      for: number;
      output: (data: OutputOf<A>, state: S) => Update<S>;
      /** The update if no event came in time. Default: the graph fails with `EVENT_TIMEOUT`. */
      timeout?: (state: S) => Update<S>;
    }
  | {
      /** How long this branch waits, without a process. The state does not change. A time in the past is due at once. */
      wait: (state: S, item: Json | undefined) => WaitFor;
    };

/** Leads to a node with its own input (`item`). Each `send` makes one task. */
export interface Send<N extends string = string> {
  readonly node: N;
  /** The `item` of the node. It is journaled. */
  readonly input: Json;
}

/** A `Send`, for a function that chooses where an edge leads. */
export const send = <const N extends string>(node: N, input: Json): Send<N> => ({ node, input });

/** A reducer that adds the new items to the end of the list. */
export const append = <T>(now: readonly T[], update: readonly T[]): T[] => [...now, ...update];

/** A node, or the end of the graph. */
export type Target<N extends string> = N | 'end';
/** Several are run in parallel. An empty list ends this branch. */
export type Chosen<N extends string> = Target<N> | readonly (Target<N> | Send<N>)[];

/**
 * Where an edge leads: to a node, to several in parallel, or to the nodes that a function chooses. If a function declares its targets
 * (`to`), they are checked and drawn, and joins wait for its branches.
 */
export type Route<S, N extends string> =
  | Target<N>
  | readonly Target<N>[]
  | ((state: S) => Chosen<N>)
  | { to: readonly Target<N>[]; choose: (state: S) => Chosen<N> };

/** The declaration of a graph. `SS`: the schema of its state, `A`: its nodes, `O`: its output. */
export interface GraphOptions<SS extends SchemaLike, A extends Record<string, unknown>, O> {
  /** 1 to 64 letters, digits, `_` and `-`, as of any agent. */
  name: string;
  /** What the model of an agent that may call the graph is told of it. */
  description?: string;
  /** An object schema. It validates the graph's input, which becomes the first state, and adds defaults. */
  state: SS;
  /** By field. An update replaces a field without one, and two nodes that run in parallel must not write it: `UPDATE_CONFLICT`. */
  reducers?: Reducers<Out<SS>>;
  /** By name. `start` and `end` are reserved. */
  nodes: { readonly [K in keyof A]: NodeSpec<Out<SS>, A[K]> };
  /** Where each node leads once it has ended. Every node needs one, and so does `start`. */
  edges: { readonly [K in (NoInfer<keyof A> & string) | 'start']: Route<Out<SS>, NoInfer<keyof A> & string> };
  /** Default: the state. */
  output?: (state: Out<SS>) => O;
  /** `steps` bounds the nodes on any path through the graph, plus the model answers of its agents. */
  limits?: Limits;
  /** Most nodes that run at the same time. Default 8. */
  parallel?: number;
}

type ContextOf<A> = [A] extends [never]
  ? unknown
  : A extends Agent<infer _I, infer _O, infer C>
    ? unknown extends C
      ? unknown
      : C
    : unknown;
// biome-ignore lint/complexity/noBannedTypes: `{}` is the context of an agent that needs none
type Nothing = {};
/** The intersection of the contexts of all agents in the graph. */
export type ContextOfNodes<A> = {
  [K in keyof A]: (c: unknown extends ContextOf<A[K]> ? Nothing : ContextOf<A[K]>) => void;
}[keyof A] extends (c: infer C) => void
  ? C
  : Nothing;
