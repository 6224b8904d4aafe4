import type { Mistake } from '../errors.ts';
import type { Json } from '../json.ts';
import type { JsonSchema, Out, SchemaLike } from '../schema.ts';
import type { Assertion, CredentialRequest } from './identity.ts';
import type { Part } from './model.ts';
import type { Principal } from './principal.ts';

/**
 * What calling a tool twice does. `read`: nothing changes. `idempotent`: the second call with the same key changes
 * nothing more. `once`: it would happen twice, so it is called at most once (the default).
 */
export type Effect = 'read' | 'idempotent' | 'once';

export interface Retry {
  /** How often a call may run in all. Default 3. */
  attempts?: number;
  /**
   * Codes to retry on. For `read` and `idempotent` it replaces the default (every retryable code), and may name codes that are
   * not retryable otherwise; for `once` it can only narrow: what may have run is never run again.
   */
  on?: readonly string[];
  /** Longest wait before the second attempt, ms; doubles with every attempt, and the wait is a random part of it. Default 100. */
  initialDelay?: number;
  /** Where the doubling ends, ms. Default 20,000. */
  maxDelay?: number;
}

export interface Breaker {
  /** Faults of the service in a row that open the circuit. Default 5. */
  failures?: number;
  /** How long it stays open before one call may try again, ms. Default 30,000. */
  recovery?: number;
}

export type DecisionType = 'approve' | 'edit' | 'reject' | 'respond';

/** What a person answers. `approval` is its id. */
export type Decision = { approval: string; note?: string } & (
  | { type: 'approve' }
  | { type: 'edit'; input: Json }
  | { type: 'reject'; reason: string }
  | { type: 'respond'; answer: Json }
);

/**
 * @property roles who may decide: anyone with one of them, but never the requester. Default: anyone.
 * @property expires ms after asking; later the agent is told so and the call does not run.
 * @property allow the decisions offered. Default: approve, edit, reject.
 */
export interface ApprovalRule {
  reason?: string;
  roles?: readonly string[];
  role?: Mistake<"Write roles, a list of names: roles: ['lead']">;
  expires?: number;
  allow?: readonly DecisionType[];
}

export interface ToolContext<C = unknown, K extends string = never> {
  /** Aborted at the attempt's timeout, the call's deadline, or when the run is cancelled. */
  readonly signal: AbortSignal;
  /** The same for every attempt of this call, also after a crash. */
  readonly idempotencyKey: string;
  readonly attempt: number;
  /** When this attempt times out, epoch milliseconds; Infinity without a timeout. `alive()` moves it. */
  readonly deadline: number;
  readonly runId: string;
  readonly callId: string;
  readonly step: number;
  readonly session: string | undefined;
  readonly by: Principal | undefined;
  readonly context: C;
  readonly credentials: { readonly [P in K]: string };
  /** Sends data to those who watch the run. Not kept in the journal. */
  progress(data: Json): void;
  /** Says that the tool is at work: `timeout` begins again. The `deadline` of all attempts, and the run's, stay. */
  alive(): void;
}

/** What a `check` found out about a call whose outcome was unknown. */
export type CheckResult<O> = { outcome: 'done'; output: O } | { outcome: 'not-run' } | { outcome: 'unknown' };

/** What a tool's output is: of a generator what it returns, or else what it yields. */
export type OutputOf<O> = Whole<Awaited<O>>;
// biome-ignore lint/suspicious/noConfusingVoidType: what a generator without a return value returns
type Whole<O> = O extends Steps<infer Y, infer R> ? ([R] extends [void] ? Awaited<Y> : Exclude<R, void>) : O;
// biome-ignore lint/suspicious/noExplicitAny: whatever may be sent into it
type Steps<Y, R> = Generator<Y, R, any> | AsyncGenerator<Y, R, any>;

export interface ToolOptions<Name extends string, S extends SchemaLike, C extends SchemaLike, K extends string, O> {
  /** At most 64 letters, digits, `_` and `-`. */
  name: Name;
  description: string;
  /** What the model is to pass, an object: a schema of Zod, ArkType or the like, or plain JSON Schema. */
  input: S;
  /** What the tool needs of the run's context; asked for where the run is started. */
  context?: C;
  credentials?: { readonly [P in K]: CredentialRequest };
  effect?: Effect;
  /** What a call is worth, by unit: `{ usd: 12.5 }`. Policies see it. A unit is `[a-z][a-z0-9_-]{0,31}`, an amount 0 or more. */
  amount?(input: Out<S>): Readonly<Record<string, number>>;
  approval?:
    | boolean
    | ApprovalRule
    | ((input: Out<S>, ctx: { context: Out<C>; by: Principal | undefined }) => boolean | ApprovalRule | Promise<boolean | ApprovalRule>);
  /** One attempt, ms. Default 60,000. */
  timeout?: number;
  /** All attempts and the waits between them, ms. */
  deadline?: number;
  retry?: Retry;
  /** `false`: none. */
  breaker?: Breaker | false;
  /** Of output shown to the model and kept; more is cut, and the model told. Default 65,536. */
  maxBytes?: number;
  /** May be a generator, sync or async: what it yields is progress, what it returns, or else yielded last, is the output. */
  execute(input: Out<S>, ctx: ToolContext<Out<C>, K>): O | Promise<O>;
  /** For a `once` tool: finds out what became of a call after a crash or a timeout. */
  check?(
    q: { idempotencyKey: string; input: Out<S>; context: Out<C> },
    ctx: { signal: AbortSignal },
  ): CheckResult<OutputOf<O>> | Promise<CheckResult<OutputOf<O>>>;
  /** What the model sees of the output. Default: the text, or its JSON. */
  toModel?(output: OutputOf<O>): string | readonly Part[];
}

declare const ctxType: unique symbol;
declare const ioType: unique symbol;

/** Made by `tool()`. The type parameters are for the compiler only. */
// biome-ignore lint/suspicious/noExplicitAny: a list of tools holds tools of every type
export interface Tool<Name extends string = string, I = any, O = any, Ctx = any> {
  readonly name: Name;
  readonly description: string;
  readonly effect: Effect;
  readonly [ctxType]?: (c: Ctx) => void;
  readonly [ioType]?: (i: I) => O;
}
export type ContextOfTool<T> = T extends { readonly [ctxType]?: (c: infer C) => void } ? C : unknown;

/** Tools that are found at run time: an MCP server, a gateway. Opened and closed by the engine. */
export interface ToolSource {
  readonly name: string;
  /** What the source hands to its server, by name: masked in all that a run with this source says. */
  readonly secrets?: Iterable<readonly [name: string, secret: string]>;
  /**
   * Opens the source once for each caller: for each user (tenant and id), session and token. Two callers never share a connection or a
   * list of tools. What no run uses is closed after 5 minutes; at most 100 stay open unused. Default false: opened once, for all runs.
   */
  readonly perCaller?: boolean;
  open(o: { signal: AbortSignal } & SourceCaller): Promise<OpenedSource>;
}

/** For whom a source is opened. Empty for a shared source. */
export interface SourceCaller {
  /** Who started the run. */
  readonly by?: Principal;
  readonly session?: string;
  /** The token that the caller of `run()` or `resume()` gave. It is masked in everything that the run says. */
  readonly assertion?: Assertion;
}

export interface OpenedSource {
  /** What it offers now. A tool that has not changed stays the same object: its circuit breaker is known by it. */
  list(): Promise<readonly Tool[]>;
  /**
   * Takes the engine's listener, once, right after `open`. The source calls it, at any time and as often as it likes, when `list` would answer
   * something else: a run in progress is then offered the new list at its next step, and one that waits when it goes on. There is no value to
   * ask for between steps: a source that has to look for changes looks at its own pace, and calls the listener. Left out, a run keeps the tools
   * it began with.
   * @returns what takes the listener off again. The engine calls it before `close`.
   */
  changed?(listener: () => void): () => void;
  close(): Promise<void>;
}

/** A question for a person that a tool stands for; it has no body, its answer is its output. */
export interface Question {
  question: string;
  answer?: JsonSchema;
}
