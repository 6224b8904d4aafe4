import type { Mistake } from '../errors.ts';
import type { Json } from '../json.ts';
import type { JsonSchema, Out, SchemaLike } from '../schema.ts';
import type { Assertion, CredentialRequest } from './identity.ts';
import type {
  ChangedList,
  ListedPrompt,
  ListedResource,
  ListedTemplate,
  MaterialCall,
  MaterialCaller,
  MaterialKind,
  MaterialRequest,
} from './materials.ts';
import type { Part } from './model.ts';
import type { Principal } from './principal.ts';

/**
 * The effect of calling a tool twice. `read`: a call changes nothing. `idempotent`: a second call with the same key changes nothing more.
 * `once` (the default): a second call would repeat the effect, so the tool is called at most once.
 */
export type Effect = 'read' | 'idempotent' | 'once';

/** When a failed attempt is followed by another one. Each field that a tool leaves out comes from its agent, then from the engine. */
export interface Retry {
  /** Most attempts in total. Default 3. */
  attempts?: number;
  /**
   * Codes to retry on. For `read` and `idempotent` it replaces the default (every retryable code), and may name codes that are
   * not retryable otherwise. For `once` it can only narrow the default: a call that may have taken effect is never retried.
   */
  on?: readonly string[];
  /** Milliseconds: the longest delay before the second attempt. It doubles with every attempt; the delay is a random part of it. Default 100. */
  initialDelay?: number;
  /** Milliseconds: the upper bound of the doubling. Default 20,000. */
  maxDelay?: number;
}

/** When a service that fails is left alone for a while. Each tool has a circuit of its own in each engine, over all runs that call it with the same options. */
export interface Breaker {
  /** Consecutive service faults that open the circuit. Default 5. */
  failures?: number;
  /** Milliseconds that it stays open. Then one trial call may run. Default 30,000. */
  recovery?: number;
}

/** `edit`: approve with other arguments. `respond`: answer a question. */
export type DecisionType = 'approve' | 'edit' | 'reject' | 'respond';

/** A person's decision about an approval. `approval` is its id. */
export type Decision = { approval: string; note?: string } & (
  | { type: 'approve' }
  | { type: 'edit'; input: Json }
  | { type: 'reject'; reason: string }
  | { type: 'respond'; answer: Json }
);

/**
 * @property roles a person needs one of these roles to decide, and must not be the requester. Default: anyone may decide.
 * @property expires milliseconds after asking. Without a decision by then, the call does not run and the agent gets an error.
 * @property allow the types of decisions that are offered. Default: approve, edit, reject.
 */
export interface ApprovalRule {
  /** Why a person is asked. It is shown to that person. */
  reason?: string;
  roles?: readonly string[];
  role?: Mistake<"Write roles, a list of names: roles: ['lead']">;
  expires?: number;
  allow?: readonly DecisionType[];
}

/** What `execute` is told of its call. `C`: the context of the tool, `K`: the names of its credentials. */
export interface ToolContext<C = unknown, K extends string = never> {
  /** Aborted at the attempt's timeout, the call's deadline, or when the run is cancelled. */
  readonly signal: AbortSignal;
  /** The same for every attempt of this call, even after a crash. */
  readonly idempotencyKey: string;
  /** From 1. */
  readonly attempt: number;
  /** When this attempt times out, epoch milliseconds; Infinity without a timeout. `alive()` moves it. */
  readonly deadline: number;
  readonly runId: string;
  /** As in events and in the journal. Unique within the run only. */
  readonly callId: string;
  /** The number of the model's answer that made the call, from 1. */
  readonly step: number;
  /** The session as the application named it; undefined for a run without one. */
  readonly session: string | undefined;
  /** The principal of the run; undefined for a run of the application. Never what a model wrote. */
  readonly by: Principal | undefined;
  /** The agents from the run's top agent down to the one that calls. */
  readonly path: readonly string[];
  /** The run's context, as parsed by the tool's `context` schema. */
  readonly context: C;
  /** Tokens by name. One that expires within 30 seconds is renewed before the attempt. All are masked in the output of the run. */
  readonly credentials: { readonly [P in K]: string };
  /** Set if `execute` threw `NeedsPerson` before: the state that it left, and the answer to its question. */
  readonly asked?: { readonly state?: Json; readonly answer?: Json } | undefined;
  /** Sends data to listeners of the run. It is not journaled. */
  progress(data: Json): void;
  /** Reports progress: restarts `timeout`. The tool's `deadline` and the run's are unchanged. */
  alive(): void;
}

/** The answer of a `check` about a call whose outcome was unknown. Anything else counts as `unknown`, with a warning. */
export type CheckResult<O> = { outcome: 'done'; output: O } | { outcome: 'not-run' } | { outcome: 'unknown' };

/** The output of a tool. For a generator it is the return type, or else the yielded type. */
export type OutputOf<O> = Whole<Awaited<O>>;
// biome-ignore lint/suspicious/noConfusingVoidType: what a generator without a return value returns
type Whole<O> = O extends Steps<infer Y, infer R> ? ([R] extends [void] ? Awaited<Y> : Exclude<R, void>) : O;
// biome-ignore lint/suspicious/noExplicitAny: whatever may be sent into it
type Steps<Y, R> = Generator<Y, R, any> | AsyncGenerator<Y, R, any>;

/** What an approval rule is told besides the input. */
export interface ApprovalContext<C> {
  context: C;
  by: Principal | undefined;
  /** What the tool's `amount` and `key` say of the call. */
  amount: Readonly<Record<string, number>> | undefined;
  key: string | undefined;
  effect: Effect;
}

/**
 * The declaration of a tool. `S`: the schema of its arguments, `C`: that of its context, `K`: the names of its credentials, `O`: what it
 * returns.
 */
export interface ToolOptions<Name extends string, S extends SchemaLike, C extends SchemaLike, K extends string, O> {
  /** At most 64 letters, digits, `_` and `-`. */
  name: Name;
  /** What the model is told of the tool, besides the schema. */
  description: string;
  /** The schema of the arguments, an object: from Zod, ArkType or the like, or plain JSON Schema. */
  input: S;
  /** The schema of the context that the tool needs. It becomes part of the options of `run()`. */
  context?: C;
  /**
   * What each call needs, by a name under which `ctx.credentials` has the token. Without an `identity` of the engine, a call ends with
   * `CONFIG_INVALID`.
   */
  credentials?: { readonly [P in K]: CredentialRequest };
  /** What a second call would do. Default `once`. */
  effect?: Effect;
  /** The amounts of a call for policies, by unit: `{ usd: 12.5 }`. A unit is `[a-z][a-z0-9_-]{0,31}`, an amount 0 or more, at most 6 decimals. */
  amount?(input: Out<S>): Readonly<Record<string, number>>;
  /**
   * US dollars that a call costs, such as those of a search API; counted in `costUsd` beside the models. A number is for each attempt that runs,
   * and is reserved before. A function of the output is asked when there is one: an attempt without a result counts nothing. At most 1e9;
   * anything else leaves the result as it is, and makes the cost of the run unknown.
   */
  cost?: number | ((output: NoInfer<OutputOf<O>>) => number);
  /** The units that `amount` may have. Then a limit of another unit is refused with `CONFIG_INVALID`, if no tool may have it. */
  units?: readonly string[];
  /**
   * Names what a call is meant to do, such as `refund:7`: 1 to 512 characters. What a key names happens once, over all calls, runs, sessions
   * and processes of a tenant; a call whose key is done gets the first result. Not for a `read` tool.
   */
  key?(input: Out<S>): string;
  /** The name under which the key is unique. Two tools that do the same share one. Default: the tool's name. */
  intent?: string;
  /** What must be the same when a key is asked for again; other arguments get `INTENT_CONFLICT`. Default: the whole input. */
  same?(input: Out<S>): Json;
  /** Milliseconds that a key stays done, by the store's clock. Default: for ever. */
  remember?: number;
  /**
   * Whether a person must approve a call: always, by a rule, or as a function decides within 10 seconds. If it fails or returns anything
   * else, the call is refused with `APPROVAL_RULE_FAILED`.
   */
  approval?:
    | boolean
    | ApprovalRule
    | ((input: Out<S>, ctx: ApprovalContext<Out<C>>) => boolean | ApprovalRule | Promise<boolean | ApprovalRule>);
  /** Milliseconds of one attempt. Default 60,000. */
  timeout?: number;
  /** Milliseconds of all attempts and the waits between them. Default: none. */
  deadline?: number;
  /** Absent fields come from the agent, then from the engine. */
  retry?: Retry;
  /**
   * For a `read` tool: a result is given again to the same call, for `ttl` milliseconds, without running it: to a call with the same
   * arguments and context, of the same principal; with `shared`, of the same tenant. A result is not given after the principal has had an
   * effect (a call of another effect than `read`), and failures are not kept. In the memory of the engine's process.
   */
  cache?: { ttl: number; shared?: boolean };
  /** `false`: no breaker. */
  breaker?: Breaker | false;
  /** Most bytes of output that are journaled and shown to the model. More is cut, with a note to the model. Default 65,536. */
  maxBytes?: number;
  /** May be a generator, sync or async: yielded values are progress; the output is the return value, or else the last yielded value. */
  execute(input: Out<S>, ctx: ToolContext<Out<C>, K>): O | Promise<O>;
  /**
   * For a `once` tool: finds out whether a call ran, after a crash, a timeout or another failure, and before a call of the same key. It has 60
   * seconds. Right after a failure only `done` is believed, because the service may still be at work. A tool of another effect is called again, so
   * its declaration with a `check` is refused with `CONFIG_INVALID`.
   */
  check?(
    q: { idempotencyKey: string; input: Out<S>; context: Out<C>; by: Principal | undefined; session: string | undefined },
    ctx: { signal: AbortSignal },
  ): CheckResult<OutputOf<O>> | Promise<CheckResult<OutputOf<O>>>;
  /** Makes the content that the model sees. Default: the output as text, or as JSON. */
  toModel?(output: OutputOf<O>): string | readonly Part[];
}

declare const ctxType: unique symbol;
declare const ioType: unique symbol;

/** Made by `tool()`. The type parameters are for the compiler only. */
// biome-ignore lint/suspicious/noExplicitAny: a list of tools holds tools of every type
export interface Tool<Name extends string = string, I = any, O = any, Ctx = any> {
  readonly name: Name;
  /** What the model is told of it. */
  readonly description: string;
  readonly effect: Effect;
  readonly [ctxType]?: (c: Ctx) => void;
  readonly [ioType]?: (i: I) => O;
}
/** The context that a tool needs; unknown if it needs none. */
export type ContextOfTool<T> = T extends { readonly [ctxType]?: (c: infer C) => void } ? C : unknown;

/** Tools that are found at run time: an MCP server, a gateway. Opened and closed by the engine. */
export interface ToolSource {
  /** It names the source in messages and in the journal. Two searched sources of an agent need different names. */
  readonly name: string;
  /** Secrets that the source sends to its server, by name. They are masked in all output of a run with this source. */
  readonly secrets?: Iterable<readonly [name: string, secret: string]>;
  /**
   * Opens the source once per caller: for each user (tenant and id), session and token. Two callers never share a connection or a
   * list of tools. Unused connections are closed after 5 minutes, and at most 100 stay open. Default false: opened once, for all runs.
   */
  readonly perCaller?: boolean;
  /**
   * Tools that agents answer. Every agent with this source has them, as if they were in its own list: they are known before the source is opened,
   * because a run that goes on in another process finds the agent of a call by its tool. `list` must not return them.
   */
  readonly agents?: readonly Tool[];
  /** What it may have besides tools, for the clients of a server. Known before the source is opened, because a server announces it. */
  readonly passes?: readonly MaterialKind[];
  /**
   * Called when a run first needs it, and again after a failure or once it was closed. If it rejects, a run of the agent rejects with
   * `SOURCE_UNAVAILABLE` or the code of its RondoError; the call of a sub-agent fails. `signal` is aborted when the engine is closed.
   */
  open(o: { signal: AbortSignal } & SourceCaller): Promise<OpenedSource>;
}

/** The caller that a source is opened for. Empty for a shared source. */
export interface SourceCaller {
  /** The principal who started the run. */
  readonly by?: Principal;
  /** As the application named it. */
  readonly session?: string;
  /** The token that was passed to `run()` or `resume()`. It is masked in all output of the run. */
  readonly assertion?: Assertion;
}

/** An open source, for all runs or for those of one caller. */
export interface OpenedSource {
  /**
   * The tools that are always offered: every request to the model has them. May be empty if `search` finds the rest. An unchanged tool must
   * stay the same object, which identifies its circuit breaker.
   */
  list(): Promise<readonly Tool[]>;
  /** Of the source's `agents`, those that the caller may be shown; the model is not told of the others, and cannot call them. Absent: all. */
  agents?(): Promise<readonly Tool[]>;
  /** All tools, also those that only `search` finds: for what lists them elsewhere, such as a server. Absent: `list` has all of them. */
  listAll?(): Promise<readonly Tool[]>;
  /**
   * Finds tools that `list` does not return, best first: for a source with too many tools for every request. With such a source, the model is
   * offered two more tools: `find_tools({ query })` returns names, descriptions and schemas of at most 20 tools and names further ones,
   * `call_tool({ name, arguments })` calls one whose schema it returned. Journal, policies, approvals, limits, events and wrappers see the call of the named tool. An error, a timeout or an
   * invalid result is reported to the model. The searched sources of an agent must have different names. A found tool is left out, with a
   * `RondoWarning`, if a listed tool or a tool found in another source has its name.
   * @param query the model's words, 1 to 1,000 characters.
   * @param o.limit the maximum number of tools; further ones are ignored.
   */
  search?(query: string, o: { limit: number; signal: AbortSignal }): Promise<readonly Tool[]>;
  /** How many tools `search` looks through. It is asked for a twelfth of them, from 20 to 170. Absent: for 20. */
  count?(): Promise<number>;
  /**
   * The tool with exactly this name, as `search` returns it; undefined if there is none. Required with `search`: the model asks for the schema of
   * a tool that a search named, and a run that continues in another process, such as after an approval, looks up its tools.
   */
  find?(name: string, o: { signal: AbortSignal }): Promise<Tool | undefined>;
  /**
   * Sets the engine's listener, once, right after `open`. The source calls it whenever `list`, `search` or `find` would return other tools. A
   * run gets the new list at its next step, a waiting run when it resumes. The engine does not poll: a source without notifications must poll
   * its server itself. Without this method, a run keeps the tools that it started with. What serves the source to others tells its clients of
   * each list that it is told of.
   * @param listener is told which list changed, or nothing if any of them may have.
   * @returns a function that removes the listener. The engine calls it before `close`.
   */
  changed?(listener: (list?: ChangedList) => void): () => void;
  /** Present if the source `passes` resources or prompts. */
  readonly materials?: Materials;
  /** It may take 5 seconds; its error is ignored. */
  close(): Promise<void>;
}

/**
 * Resources and prompts of a source. They are listed by its functions and read by its tools, so that what holds for a call of a tool holds for each read:
 * journal, policy, approvals, limits.
 */
export interface Materials {
  /** At most 1,000 items, and about 1,000,000 characters: a list that is longer is cut there. */
  resources(o: MaterialCaller): Promise<readonly ListedResource[]>;
  /** Cut as `resources` is. */
  templates(o: MaterialCaller): Promise<readonly ListedTemplate[]>;
  /** Cut as `resources` is. */
  prompts(o: MaterialCaller): Promise<readonly ListedPrompt[]>;
  /** The tools that read. They are not listed to models, and their names are not those of other tools: `resources/read`. */
  tools(): Promise<readonly Tool[]>;
  /** @returns undefined if there is no such URI or name, as far as that is known without a call. */
  callOf(request: MaterialRequest, o: MaterialCaller): Promise<MaterialCall | undefined>;
}

/** The question of a tool that a person answers. The answer is the tool's output. */
export interface Question {
  question: string;
  /** What the answer must fit. Absent: any JSON. */
  answer?: JsonSchema;
}
