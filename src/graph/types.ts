import type { Mistake } from '../errors.ts';
import type { Limits } from '../journal/entries.ts';
import type { Json } from '../json.ts';
import type { Agent } from '../loop/types.ts';

import type { Principal } from '../ports/principal.ts';
import type { Effect } from '../ports/tool.ts';
import type { Out, SchemaLike } from '../schema.ts';

/** Some of a state's fields, anew. */
export type Update<S> = { readonly [K in keyof S]?: S[K] };

/** How an update of a field is joined with what is there. A field without one is replaced. Called once for each update, never in a replay. */
export type Reducers<S> = { readonly [K in keyof S]?: (now: S[K], update: S[K]) => S[K] };

/** What a node's function is given besides the state. */
export interface NodeContext<C = unknown> {
  /** Aborted when the run is cancelled. */
  readonly signal: AbortSignal;
  readonly context: C;
  readonly runId: string;
  readonly by: Principal | undefined;
  /** What `send` gave to this node. */
  readonly item: Json | undefined;
  /**
   * A step of the function that is done once: its result is in the journal, and after a crash it is taken from there. `name` is
   * unique within the node: one that was begun before is refused (`STEP_INVALID`), unless it failed. `effect` says what doing it twice does; a `once` (the default) that a crash cut off throws a `ToolError`
   * `OUTCOME_UNKNOWN`.
   */
  durable<T>(name: string, fn: () => T | Promise<T>, o?: { effect?: Effect }): Promise<T>;
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

/** A node: a function of yours, an agent, or a question to a person. `item`: what `send` gave to it. */
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

/** Goes to a node with something for it alone: one task for each `send`. */
export interface Send<N extends string = string> {
  readonly node: N;
  readonly input: Json;
}

export const send = <const N extends string>(node: N, input: Json): Send<N> => ({ node, input });

/** Joins lists: what is there, then what is new. */
export const append = <T>(now: readonly T[], update: readonly T[]): T[] => [...now, ...update];

export type Target<N extends string> = N | 'end';
export type Chosen<N extends string> = Target<N> | readonly (Target<N> | Send<N>)[];

/**
 * Where a node leads: to a node, to several at once, or where a function says. A function whose targets are named (`to`) is drawn,
 * checked, and waited for where its branches join.
 */
export type Route<S, N extends string> =
  | Target<N>
  | readonly Target<N>[]
  | ((state: S) => Chosen<N>)
  | { to: readonly Target<N>[]; choose: (state: S) => Chosen<N> };

export interface GraphOptions<SS extends SchemaLike, A extends Record<string, unknown>, O> {
  name: string;
  description?: string;
  /** The state's schema: an object. The graph's input is validated with it, and its defaults are taken. */
  state: SS;
  reducers?: Reducers<Out<SS>>;
  nodes: { readonly [K in keyof A]: NodeSpec<Out<SS>, A[K]> };
  edges: { readonly [K in (NoInfer<keyof A> & string) | 'start']: Route<Out<SS>, NoInfer<keyof A> & string> };
  /** Default: the state. */
  output?: (state: Out<SS>) => O;
  /** `steps` bounds the nodes on any way through the graph, and the answers of models in it. */
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
