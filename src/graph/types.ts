import type { Mistake } from '../errors.ts';
import type { Limits } from '../journal/entries.ts';
import type { Json } from '../json.ts';
import type { Agent } from '../loop/types.ts';
import type { Principal } from '../ports/principal.ts';
import type { Breaker, Effect, Retry } from '../ports/tool.ts';
import type { Out, SchemaLike } from '../schema.ts';

/** New values of some of a state's fields. */
export type Update<S> = { readonly [K in keyof S]?: S[K] };

/** How an update of a field is merged with its value. Without a reducer the value is replaced. Called once for each update, never in a replay. */
export type Reducers<S> = { readonly [K in keyof S]?: (now: S[K], update: S[K]) => S[K] };

/** What the function of a durable step is given. */
export interface StepContext {
  /** Aborted at the attempt's timeout, the step's deadline, or when the run is cancelled. */
  readonly signal: AbortSignal;
  /** 1 for the first. */
  readonly attempt: number;
  /** The same for every attempt of this step, also after a crash. */
  readonly idempotencyKey: string;
  /** A sign of life: `timeout` begins again. The `deadline` of all attempts, and the run's, stay. */
  alive(): void;
}

/** How a durable step is guarded. Defaults are those of a tool, with the engine's `reliability.tools` between. */
export interface StepOptions {
  /** What a second run does. Default `once`: it is tried again only where it is known not to have run. */
  effect?: Effect;
  /** One attempt, ms. Default 60,000. */
  timeout?: number;
  /** All attempts and the waits between them, ms. Default: none. */
  deadline?: number;
  retry?: Retry;
  /** The circuit breaker of all steps of this name in this node, in every run of the engine. `false`: none. */
  breaker?: Breaker | false;
}

/** What a node's function is given besides the state. */
export interface NodeContext<C = unknown> {
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  readonly context: C;
  readonly runId: string;
  readonly by: Principal | undefined;
  /** The input that `send` gave to this node. */
  readonly item: Json | undefined;
  /**
   * A step of the function that is done once: its result is in the journal, and after a crash it is taken from there. It is guarded like
   * a tool's call. `name` is unique within the node: a second step of that name is refused (`STEP_INVALID`), unless the first failed.
   * @returns what `fn` returned, as JSON of at most 1,048,576 characters.
   * @throws what the last attempt threw. ToolError `OUTCOME_UNKNOWN` for a `once` step that a crash cut off, or that failed so that it may
   * have taken effect; `STEP_INVALID` for a bad name, option or result; `STEP_LATE` after the node has ended.
   */
  durable<T>(name: string, fn: (step: StepContext) => T | Promise<T>, options?: StepOptions): Promise<T>;
}

type InputOf<A> = A extends Agent<infer I, infer _O, infer _C> ? I : never;
type OutputOf<A> = A extends Agent<infer _I, infer O, infer _C> ? O : A extends SchemaLike ? Out<A> : never;

/** The names of an update that are no fields of the state, as far as they are known. */
type Odd<S, U> = U extends object ? (string extends keyof U ? never : Exclude<keyof U, keyof S> & string) : never;
/** What a function that returns `R` may return. */
type Returned<S, R> = [Odd<S, Awaited<R>>] extends [never]
  ? // biome-ignore lint/suspicious/noConfusingVoidType: a function that changes nothing returns nothing
    (Update<S> | void | Promise<Update<S> | void>) & R
  : Mistake<`The state has no field "${Odd<S, Awaited<R>>}". It has: ${keyof S & string}`>;

/** A node: a function, an agent, or a question to a person. `item`: the input that `send` gave it. */
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
      /** ms after asking; later the graph fails with `APPROVAL_EXPIRED`. */
      expires?: number;
      output: (answer: OutputOf<A>, state: S) => Update<S>;
    };

/** An edge to a node with an input of its own. Each `send` makes one task. */
export interface Send<N extends string = string> {
  readonly node: N;
  readonly input: Json;
}

export const send = <const N extends string>(node: N, input: Json): Send<N> => ({ node, input });

/** A reducer that adds the new items to the end of the list. */
export const append = <T>(now: readonly T[], update: readonly T[]): T[] => [...now, ...update];

export type Target<N extends string> = N | 'end';
export type Chosen<N extends string> = Target<N> | readonly (Target<N> | Send<N>)[];

/**
 * Where a node leads: to a node, to several at once, or to what a function chooses. A function with declared targets (`to`) is drawn and
 * checked, and joins wait for its branches.
 */
export type Route<S, N extends string> =
  | Target<N>
  | readonly Target<N>[]
  | ((state: S) => Chosen<N>)
  | { to: readonly Target<N>[]; choose: (state: S) => Chosen<N> };

export interface GraphOptions<SS extends SchemaLike, A extends Record<string, unknown>, O> {
  name: string;
  description?: string;
  /** The schema of the state, an object. It validates the graph's input and adds defaults. */
  state: SS;
  reducers?: Reducers<Out<SS>>;
  nodes: { readonly [K in keyof A]: NodeSpec<Out<SS>, A[K]> };
  edges: { readonly [K in (NoInfer<keyof A> & string) | 'start']: Route<Out<SS>, NoInfer<keyof A> & string> };
  /** Default: the state. */
  output?: (state: Out<SS>) => O;
  /** `steps` bounds the nodes on any path through the graph, and the model answers in it. */
  limits?: Limits;
  /** How many nodes may run at the same time. Default 8. */
  parallel?: number;
}

type ContextOf<A> = [A] extends [never]
  ? unknown
  : A extends Agent<infer _I, infer _O, infer C>
    ? unknown extends C
      ? unknown
      : C
    : unknown;
// biome-ignore lint/complexity/noBannedTypes: `{}` is what asks for nothing
type Nothing = {};
/** The contexts of all its agents together. */
export type ContextOfNodes<A> = {
  [K in keyof A]: (c: unknown extends ContextOf<A[K]> ? Nothing : ContextOf<A[K]>) => void;
}[keyof A] extends (c: infer C) => void
  ? C
  : Nothing;
