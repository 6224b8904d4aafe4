import type { Json, JsonObject } from './json.ts';

/** Errors of the engine. Failures of tools and models are not among them: the agent gets those as a {@link Failure}. */
export type ErrorCode =
  | 'RUN_NOT_FOUND'
  | 'RUN_BUSY'
  | 'RUN_EXISTS'
  | 'RUN_NOT_COMPLETED'
  | 'RUN_ENDED'
  | 'SESSION_BUSY'
  | 'AGENT_NOT_REGISTERED'
  // the agent of a run that began has changed so much that it cannot go on with it
  | 'AGENT_CHANGED'
  | 'CALL_NOT_FOUND'
  | 'APPROVAL_NOT_FOUND'
  | 'APPROVAL_CLOSED'
  | 'APPROVAL_EXPIRED'
  | 'DECISION_INVALID'
  | 'NOT_PERMITTED'
  // an event for a run that waits
  | 'EVENT_CONFLICT'
  | 'LETTER_NOT_FOUND'
  | 'EVENT_REJECTED'
  | 'SIGNATURE_INVALID'
  | 'INPUT_REFUSED'
  // a guardrail could not be asked about an input
  | 'GUARDRAIL_FAILED'
  | 'JOURNAL_CONFLICT'
  | 'INTENT_CLAIMED'
  | 'JOURNAL_DAMAGED'
  | 'JOURNAL_VERSION'
  | 'JOURNAL_UNAVAILABLE'
  // of an encrypted journal: a key is missing, is another one, or was destroyed
  | 'JOURNAL_KEY_UNAVAILABLE'
  | 'ENGINE_CLOSED'
  | 'CONFIG_INVALID'
  // a source of tools could not be opened, or did not list them
  | 'SOURCE_UNAVAILABLE'
  | 'MCP_UNAVAILABLE'
  // the file of `record` and `replay`
  | 'RECORDING_EXISTS'
  | 'RECORDING_NOT_FOUND'
  | 'RECORDING_DAMAGED'
  | 'RECORDING_VERSION'
  // a memory did not forget, or its store cannot be reached
  | 'MEMORY_UNAVAILABLE'
  // the vault of credentials: its key is missing or another one, what it holds was changed, or its file cannot be used
  | 'VAULT_KEY_UNAVAILABLE'
  | 'VAULT_DAMAGED'
  | 'VAULT_UNAVAILABLE'
  // an authorization server is down or slow, refused a request, or answered what is not OAuth
  | 'PROVIDER_UNAVAILABLE'
  | 'PROVIDER_REFUSED'
  | 'PROVIDER_ANSWER_INVALID'
  // a person's consent, or the token that they signed in with, is over; and why a browser's return from a consent is refused
  | 'CONSENT_EXPIRED'
  | 'CONSENT_NOT_FOUND'
  | 'CONSENT_MISMATCH'
  | 'CONSENT_USED'
  | 'CONSENT_DECLINED'
  | 'RETURN_URL_REFUSED'
  // of a memory's store
  | 'MEMORY_INPUT_INVALID'
  | 'MEMORY_CONFLICT'
  | 'MEMORY_RECORD_UNKNOWN'
  | 'MEMORY_JOB_UNKNOWN'
  // the service does not say
  | 'MEMORY_CANNOT_TELL'
  | 'MEMORY_CLOSED'
  | 'MEMORY_DAMAGED'
  | 'MEMORY_VERSION'
  // an error other than a RondoError, thrown by a part given to the engine, such as a store
  | 'INTERNAL';

const MARK = Symbol.for('rondo.error');
const TOOL_MARK = Symbol.for('rondo.tool-error');

/** `message` says what happened and what to do next. `details` is plain JSON for programs. */
export class RondoError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  /** Null where there are none. Its fields depend on the code. */
  readonly details: Json;
  /** Marks errors of any copy of this package, because `instanceof` does not recognise those of another copy. */
  readonly [MARK] = true;

  constructor(code: C, message: string, o?: { details?: Json; cause?: unknown }) {
    super(message, o?.cause === undefined ? undefined : { cause: o.cause });
    this.name = 'RondoError';
    this.code = code;
    this.details = o?.details ?? null;
  }

  /** Whether a value is a RondoError of any copy of this package, and has this code, if one is given. */
  static is<C extends ErrorCode = ErrorCode>(e: unknown, code?: C): e is RondoError<C> {
    return e instanceof Error && MARK in e && (code === undefined || (e as RondoError).code === code);
  }
}

/** A text in the details of an error with this code. Undefined where it has none: a store of your own may tell less than those of this package. */
export function detailOf(error: unknown, code: ErrorCode, name: string): string | undefined {
  const found = RondoError.is(error, code) ? (error.details as JsonObject | null)?.[name] : undefined;
  return typeof found === 'string' ? found : undefined;
}

/** An error for an invalid declaration or option. */
export const invalid = (message: string, o?: { details?: Json; cause?: unknown }) => new RondoError('CONFIG_INVALID', message, o);

/** The outcome of an effect that did not succeed: it never ran, it ran and failed, or it may have taken effect. */
export type Outcome = 'not-run' | 'failed' | 'unknown';

/** A failure as plain JSON: of a tool, for the agent, or of a failed run. */
export interface Failure {
  /** A stable word for programs, such as `THROTTLING`. It may be one that a tool made up. */
  code: string;
  /** For people and the model. Its text may change. */
  message: string;
  /** The same call may succeed later. */
  retryable: boolean;
  /** Those that ran: 0 if nothing was tried. */
  attempts: number;
  outcome: Outcome;
  /** Milliseconds until a retry makes sense, if known. */
  retryAfter?: number;
}

/** A failure after one attempt that a retry would not change. */
export const failedOnce = (code: string, message: string, outcome: Outcome = 'failed'): Failure => ({
  code,
  message,
  retryable: false,
  attempts: 1,
  outcome,
});

/** A failure before any attempt. */
export const notRun = (code: string, message: string, retryable = false): Failure => ({
  code,
  message,
  retryable,
  attempts: 0,
  outcome: 'not-run',
});

/**
 * Thrown by a tool or a model adapter that knows what went wrong.
 * @param code a stable word, such as `THROTTLING`, for `retry.on` and the agent.
 * @param o.outcome `not-run` if it is certain that nothing happened: only then is a `once` tool retried. Default `failed`.
 * @param o.retryable whether the same call may succeed later. Default false.
 * @param o.retryAfter milliseconds that the service asked to wait.
 */
export class ToolError extends Error {
  readonly code: string;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly retryAfter: number | undefined;
  /** Like the mark of a {@link RondoError}. */
  readonly [TOOL_MARK] = true;

  constructor(code: string, message: string, o?: { outcome?: Outcome; retryable?: boolean; retryAfter?: number; cause?: unknown }) {
    super(message, o?.cause === undefined ? undefined : { cause: o.cause });
    this.name = 'ToolError';
    this.code = code;
    this.outcome = o?.outcome ?? 'failed';
    this.retryable = o?.retryable ?? o?.retryAfter !== undefined;
    this.retryAfter = o?.retryAfter;
  }

  /** Subclasses count too, under any name. */
  static is(e: unknown): e is ToolError {
    return e instanceof Error && (TOOL_MARK in e || (e.name === 'ToolError' && 'outcome' in e));
  }
}

/** What a person is asked: a question, whose answer fits the JSON Schema `answer`; or to consent at a URL, which `handle` may identify. */
export type PersonAsked = { question: string; answer?: JsonObject } | { provider: string; url: string; handle?: string; reason?: string };

/**
 * Thrown by a tool's `execute`: a person must answer or consent before the call can be made. The run pauses with an approval of kind `question` or
 * `consent`. Once they have, `execute` is called again, in any process, with `ctx.asked`. So nothing may have happened that a second call would
 * repeat. Outside of an agent's own call it is an error like any other.
 */
export class NeedsPerson extends ToolError {
  readonly asks: PersonAsked;
  /** Journaled with the question, and given to the next call of `execute`. At most 65,536 characters of JSON. */
  readonly state: Json | undefined;

  constructor(asks: PersonAsked, o: { state?: Json | undefined } = {}) {
    super('PERSON_NEEDED', 'A person must answer first.', { outcome: 'not-run' });
    this.name = 'NeedsPerson';
    this.asks = asks;
    this.state = o.state;
  }

  static override is(e: unknown): e is NeedsPerson {
    return ToolError.is(e) && e.code === 'PERSON_NEEDED' && typeof (e as NeedsPerson).asks === 'object';
  }
}

/** Whether a run that failed with this may be resumed: the cause may be gone, or an operator may settle the unknown outcome. */
export const isResumable = ({ code, retryable, outcome }: Failure) => retryable || (outcome === 'unknown' && code !== 'CRASH_LOOP');

declare const mistake: unique symbol;
/** A type that no value has, used as an error message of the compiler. Its text says what to write. */
export interface Mistake<Remedy extends string> {
  readonly [mistake]: Remedy;
}
