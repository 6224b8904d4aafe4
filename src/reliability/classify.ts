import { type Failure, type Outcome, RondoError, ToolError } from '../errors.ts';
import { util } from '../node.ts';
import type { Effect } from '../ports/tool.ts';
import {
  type Fault,
  faultOf,
  isTooLong,
  type Kind,
  NOT_SENT,
  ofGrpc,
  ofMessage,
  ofName,
  ofNodeCode,
  ofStatus,
  outcomeOf,
  throttling,
} from './codes.ts';
import { askedWait } from './retry-after.ts';

/** The meaning of a thrown value. For the codes see {@link Kind}. */
export interface Classified {
  /** Of the tables, of a ToolError or RondoError, or the fallback code. At most 100 characters. */
  code: string;
  /** Never empty, at most {@link MAX_MESSAGE} characters. */
  message: string;
  /** The same call may succeed later. */
  retryable: boolean;
  /** No table lists the error. Whether a retry helps is unknown, so calls that may run twice are retried. */
  unclassified?: true;
  /** What the error proves: `unknown` where it proves nothing. */
  outcome: Outcome;
  /** Milliseconds that the service asked to wait. */
  retryAfter?: number;
  /** Whether a circuit breaker counts it. */
  fault: Fault;
}

/** The code of an error that no table lists, by what was called. */
export type FallbackCode = 'TOOL_FAILED' | 'MODEL_FAILED' | 'NODE_FAILED' | 'STEP_FAILED' | 'AGENT_FAILED' | 'MEMORY_FAILED';

/** The text with its secrets replaced. */
export type Mask = (text: string) => string;
const asIs: Mask = (text) => text;

/** Characters of a message; a longer one is cut. */
export const MAX_MESSAGE = 2_000;
const MAX_CODE = 100;
const MAX_DEPTH = 6;

/**
 * Classifies any thrown value: a ToolError by its own fields, errors of AWS, HTTP, gRPC and Node by table, the rest as `fallbackCode`.
 * The outcome is `not-run` or `failed` only if the error itself proves it, else `unknown`. A plain Error that wraps a refused connection
 * or a 404 proves nothing about what its author did before. Never throws, even if the value's getters do.
 * @param mask masks secrets in messages, before they are cut: a secret that is cut in half would not be found.
 */
export function classify(error: unknown, fallbackCode: FallbackCode = 'TOOL_FAILED', mask: Mask = asIs): Classified {
  try {
    return own(error, fallbackCode, mask) ?? byTable(error, fallbackCode, mask) ?? unclassified(said(error, mask), fallbackCode);
  } catch {
    return unclassified('A value was thrown that cannot be read.', fallbackCode);
  }
}

/**
 * A thrown value as the failure of a single attempt.
 * @param o.effect the effect of the call. Leave it out for a node or an agent: they have no effect of their own, because their steps and
 * calls record their outcomes. Then only a ToolError can make the outcome unknown.
 * @param o.where a prefix for the message of an error without a code of its own.
 */
export function failureOf(thrown: unknown, fallbackCode: FallbackCode, o: { effect?: Effect; where?: string } = {}): Failure {
  const effect = o.effect ?? (ToolError.is(thrown) ? 'once' : 'read');
  const { code, message, retryable, outcome } = asSeen(classify(thrown, fallbackCode), effect);
  return { code, message: bounded(code === fallbackCode ? (o.where ?? '') + message : message), retryable, attempts: 1, outcome };
}

/** A read has no effect, so an unknown outcome becomes `failed`. */
export function asSeen(failure: Classified, effect: Effect): Classified {
  return effect === 'read' && failure.outcome === 'unknown' ? { ...failure, outcome: 'failed' } : failure;
}

const unclassified = (message: string, code: string): Classified => ({
  code,
  message,
  retryable: false,
  // a model call may have been charged, so it is retried only if its adapter says so
  ...(code !== 'MODEL_FAILED' && { unclassified: true }),
  outcome: 'unknown',
  fault: 'none',
});

/** Errors of this package, including another copy of it. */
function own(error: unknown, fallbackCode: FallbackCode, mask: Mask): Classified | undefined {
  if (RondoError.is(error))
    return { code: error.code, message: describeThrown(error, mask), retryable: false, outcome: 'unknown', fault: 'none' };
  if (!ToolError.is(error)) return undefined;
  const { code: said, outcome: was, retryAfter } = error;
  const code = typeof said === 'string' && said !== '' ? mask(said).slice(0, MAX_CODE) : fallbackCode;
  const outcome = was === 'not-run' || was === 'failed' ? was : 'unknown';
  const retryable = error.retryable === true;
  // a non-retryable ToolError with a known outcome is an answer, not a sign of a service fault
  const fault = faultOf(code) ?? (retryable ? 'service' : outcome === 'unknown' ? 'none' : 'caller');
  const classified: Classified = { code, message: describeThrown(error, mask), retryable, outcome, fault };
  const asked = waitOf(retryAfter);
  if (asked !== undefined) classified.retryAfter = asked;
  return classified;
}

/** Milliseconds that something asks to wait, as JSON can hold them; undefined for what is not a length of time. */
export const waitOf = (asked: unknown): number | undefined =>
  typeof asked === 'number' && asked >= 0 ? Math.min(asked, Number.MAX_SAFE_INTEGER) : undefined;

const SHORTEN = 'Keep the conversation small (compact), bound what tools return (maxBytes), or use a model with a larger context.';

interface Found {
  kind: Kind;
  /** The classified error in the chain of causes. */
  at: object;
  /** The outcome that the outermost error proves, see {@link classify}. */
  outcome: Outcome;
}

function byTable(error: unknown, fallbackCode: FallbackCode, mask: Mask): Classified | undefined {
  const found = search(error, 0);
  if (!found) return undefined;
  const { outcome } = found;
  const { code, fault } = found.kind;
  const retryable = found.kind.retryable || read(found.at, '$retryable') !== undefined;
  const outer = describeThrown(error, mask);
  const inner = found.at === error ? outer : describeThrown(found.at, mask);
  const message = outer.includes(inner) ? outer : bounded(`${outer}: ${inner}`);
  // providers have no code for a conversation that is too long, only a message
  if (code === 'VALIDATION' && fallbackCode === 'MODEL_FAILED' && isTooLong(message))
    return { code: 'CONTEXT_TOO_LONG', message: bounded(`${message} ${SHORTEN}`), retryable: false, outcome, fault };
  const classified: Classified = { code, message, retryable, outcome, fault };
  const retryAfter = retryable ? wait(found.at) : undefined;
  if (retryAfter !== undefined) classified.retryAfter = retryAfter;
  return classified;
}

function wait(error: object): number | undefined {
  try {
    return waitOf(askedWait(error));
  } catch {
    return undefined;
  }
}

/** The first classified error in the chain of causes, from the outside in. */
function search(error: unknown, depth: number): Found | undefined {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return undefined;
  // one error per address of a host: nothing was sent only if that is true for each of them
  const errors = read(error, 'errors');
  if (error instanceof AggregateError && Array.isArray(errors) && errors.length > 0 && depth < 3) {
    const each = errors.slice(0, 20).map((e) => search(e, depth + 1));
    // the worst outcome counts; if an error is unclassified, the outcome is unknown
    const worst = each.reduce((a, f) => (a && (!f || severity[f.outcome] <= severity[a.outcome]) ? a : f), undefined);
    return worst && { ...worst, outcome: errors.length > 20 || each.includes(undefined) ? 'unknown' : worst.outcome };
  }
  const unsent = read(error, 'code') === NOT_SENT ? search(read(error, 'cause'), depth + 1) : undefined;
  if (unsent) return unsent;
  const status = statusOf(error);
  const kind = lookUp(error, status);
  if (kind) return { kind, at: error, outcome: outcomeOf(kind, status) };
  const inner = search(read(error, 'cause'), depth + 1);
  // fetch only wraps the error of its connection; any other wrapper may have done more before it failed
  return inner && (isOfFetch(error) ? inner : { ...inner, outcome: 'unknown' });
}

const isOfFetch = (error: unknown): error is TypeError => error instanceof TypeError && error.message === 'fetch failed';

/** The message of an error that no table lists. That of fetch says what happened only in its cause. */
function said(error: unknown, mask: Mask): string {
  const outer = describeThrown(error, mask);
  const cause = isOfFetch(error) ? read(error, 'cause') : undefined;
  return cause === undefined ? outer : bounded(`${outer}: ${describeThrown(cause, mask)}`);
}

/** Outcomes in order of uncertainty. */
export const severity = { 'not-run': 0, failed: 1, unknown: 2 } as const satisfies Record<Outcome, number>;

function lookUp(error: object, status: number | undefined): Kind | undefined {
  const name = read(error, 'name');
  const code = read(error, 'code');
  const text = read(error, 'message');
  const message = typeof text === 'string' ? text : '';
  const byWords = ofMessage(message) ?? (typeof name === 'string' ? ofName(name) : undefined);
  if (byWords) return byWords;
  if (read(read(error, '$retryable'), 'throttling') === true) return throttling;
  if (typeof code === 'string') {
    const byCode = ofNodeCode(code, read(error, 'syscall'), message) ?? ofName(code);
    if (byCode) return byCode;
  }
  return (status === undefined ? undefined : ofStatus(status)) ?? ofGrpc(code, read(error, 'details'));
}

/** The HTTP status in an error of the AWS SDK, fetch, axios or a similar client. */
function statusOf(error: object): number | undefined {
  const response = read(error, 'response');
  for (const status of [
    read(read(error, '$metadata'), 'httpStatusCode'),
    read(error, 'status'),
    read(error, 'statusCode'),
    read(response, 'status'),
    read(response, 'statusCode'),
  ])
    if (typeof status === 'number' && ofStatus(status)) return status;
  return undefined;
}

/** A bounded message for any thrown value. Never empty and never `[object Object]`. */
function describeThrown(thrown: unknown, mask: Mask): string {
  const told = (text: string) => bounded(mask(text));
  if (typeof thrown === 'string') return told(thrown.trim() === '' ? 'An empty string was thrown.' : thrown);
  if (typeof thrown !== 'object' || thrown === null) return told(`${util.inspect(thrown)} was thrown.`);
  const message = read(thrown, 'message');
  if (typeof message === 'string' && message.trim() !== '' && message !== '[object Object]') return told(message);
  const status = read(thrown, 'status');
  if (typeof status === 'number') return told(`HTTP ${status} ${String(read(thrown, 'statusText') ?? '')}`.trim());
  const code = read(thrown, 'code');
  if (thrown instanceof Error) {
    const name = read(thrown, 'name');
    const known = [name, code].filter((s) => typeof s === 'string' && s !== '');
    return told(`${known.length > 0 ? known.join(' ') : 'Error'} (without a message)`);
  }
  const maxStringLength = mask === asIs ? 500 : Infinity;
  return told(util.inspect(thrown, { depth: 2, breakLength: Infinity, maxStringLength, maxArrayLength: 20, customInspect: false }));
}

/** The bounded message of a thrown value. Never throws, even if the value's getters do. */
export function messageOf(thrown: unknown, mask: Mask = asIs): string {
  try {
    return describeThrown(thrown, mask);
  } catch {
    return 'A value was thrown that cannot be read.';
  }
}

/** Cuts a message to {@link MAX_MESSAGE} characters, with a note. */
export function bounded(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  const note = ` [cut, ${message.length} characters]`;
  let end = MAX_MESSAGE - note.length;
  // half a surrogate pair is not valid text
  if ((message.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
  return message.slice(0, end) + note;
}

/** A property of any value; undefined if reading it throws. */
function read(target: unknown, key: string): unknown {
  if ((typeof target !== 'object' && typeof target !== 'function') || target === null) return undefined;
  try {
    return (target as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}
