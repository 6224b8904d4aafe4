import { inspect } from 'node:util';
import { type Failure, type Outcome, RondoError, ToolError } from '../errors.ts';
import { CONTEXT_TOO_LONG, faultOf, isTooLong, type Kind, NOT_SENT, ofMessage, ofName, ofNodeCode, ofStatus, throttling } from './codes.ts';
import { askedWait } from './retry-after.ts';

/** What a thrown value means. Codes and their meaning: {@link Kind}. */
export interface Classified {
  code: string;
  /** Never empty, at most {@link MAX_MESSAGE} characters. */
  message: string;
  retryable: boolean;
  outcome: Outcome;
  /** Milliseconds the other side asked to wait. */
  retryAfter?: number;
  fault: 'caller' | 'service';
}

export type FallbackCode = 'TOOL_FAILED' | 'MODEL_FAILED' | 'NODE_FAILED' | 'STEP_FAILED' | 'AGENT_FAILED';

export type Mask = (text: string) => string;
const asIs: Mask = (text) => text;

export const MAX_MESSAGE = 2_000;
const MAX_CODE = 100;
const MAX_DEPTH = 6;

/**
 * Classifies anything that was thrown: a ToolError as it says, errors of AWS, HTTP and Node by table, the rest as `fallbackCode`.
 * `not-run` only where the error itself proves it: a plain Error that wraps a refused connection proves nothing of what its
 * author did before. Never throws, whatever the value does when it is read.
 * @param mask takes secrets out of what is told, before anything is cut: half a secret would not be found.
 */
export function classify(error: unknown, fallbackCode: FallbackCode = 'TOOL_FAILED', mask: Mask = asIs): Classified {
  try {
    return own(error, fallbackCode, mask) ?? byTable(error, fallbackCode, mask) ?? unclassified(describeThrown(error, mask), fallbackCode);
  } catch {
    return unclassified('A value was thrown that cannot be read.', fallbackCode);
  }
}

/** What was thrown, as the failure of what was tried once. `where`: said before an error that has no code of its own. */
export function failureOf(thrown: unknown, fallbackCode: FallbackCode, where = ''): Failure {
  const { code, message, retryable, outcome } = classify(thrown, fallbackCode);
  return { code, message: bounded(code === fallbackCode ? where + message : message), retryable, attempts: 1, outcome };
}

const unclassified = (message: string, code: string): Classified => ({
  code,
  message,
  retryable: false,
  outcome: 'failed',
  fault: 'service',
});

/** Errors of this package, of another copy of it too. */
function own(error: unknown, fallbackCode: FallbackCode, mask: Mask): Classified | undefined {
  if (RondoError.is(error))
    return { code: error.code, message: describeThrown(error, mask), retryable: false, outcome: 'failed', fault: 'caller' };
  if (!(error instanceof ToolError) && !(error instanceof Error && error.name === 'ToolError' && 'outcome' in error)) return undefined;
  const { code: said, outcome: was, retryAfter } = error as ToolError;
  const code = typeof said === 'string' && said !== '' ? mask(said).slice(0, MAX_CODE) : fallbackCode;
  const outcome = was === 'not-run' || was === 'unknown' ? was : 'failed';
  const retryable = (error as ToolError).retryable === true;
  // an error that its author foresaw, and that trying again does not heal, is an answer and no sign of an ill service
  const fault = faultOf(code) ?? (retryable || outcome === 'unknown' ? 'service' : 'caller');
  const classified: Classified = { code, message: describeThrown(error, mask), retryable, outcome, fault };
  if (typeof retryAfter === 'number' && retryAfter >= 0) classified.retryAfter = retryAfter;
  return classified;
}

const SHORTEN = 'Shorten the conversation, bound what tools return (maxBytes), or use a model with a larger context.';

interface Found {
  kind: Kind;
  /** The error of the chain that the tables know. */
  at: object;
  /** Whether `kind.outcome` may be trusted, see {@link classify}. */
  proven: boolean;
}

function byTable(error: unknown, fallbackCode: FallbackCode, mask: Mask): Classified | undefined {
  const found = search(error, 0);
  if (!found) return undefined;
  const { code, fault } = found.kind;
  const outcome = found.kind.outcome === 'not-run' && !found.proven ? 'failed' : found.kind.outcome;
  const retryable = found.kind.retryable || read(found.at, '$retryable') !== undefined;
  const outer = describeThrown(error, mask);
  const inner = found.at === error ? outer : describeThrown(found.at, mask);
  const message = outer.includes(inner) ? outer : bounded(`${outer}: ${inner}`);
  // only its words tell it from another refusal, and only a model's words mean it
  if (code === 'VALIDATION' && fallbackCode === 'MODEL_FAILED' && isTooLong(message))
    return { ...CONTEXT_TOO_LONG, message: bounded(`${message} ${SHORTEN}`) };
  const classified: Classified = { code, message, retryable, outcome, fault };
  const retryAfter = retryable ? wait(found.at) : undefined;
  if (retryAfter !== undefined) classified.retryAfter = retryAfter;
  return classified;
}

function wait(error: object): number | undefined {
  try {
    return askedWait(error);
  } catch {
    return undefined;
  }
}

/** The first error that the tables know, from the outside in. */
function search(error: unknown, depth: number): Found | undefined {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return undefined;
  // a host with several addresses: nothing was sent only if that holds for each of them
  const errors = read(error, 'errors');
  if (error instanceof AggregateError && Array.isArray(errors) && errors.length > 0 && depth < 3) {
    const each = errors.slice(0, 20).map((e) => search(e, depth + 1));
    const worst = each.find((f) => f && !(f.proven && f.kind.outcome === 'not-run')) ?? each.find((f) => f !== undefined);
    return worst && { ...worst, proven: worst.proven && errors.length <= 20 && !each.includes(undefined) };
  }
  const unsent = read(error, 'code') === NOT_SENT ? search(read(error, 'cause'), depth + 1) : undefined;
  if (unsent) return unsent;
  const kind = lookUp(error);
  if (kind) return { kind, at: error, proven: true };
  const inner = search(read(error, 'cause'), depth + 1);
  // fetch wraps the error of its one connection; nobody else is known to have done nothing else
  return inner && { ...inner, proven: inner.proven && error instanceof TypeError && error.message === 'fetch failed' };
}

function lookUp(error: object): Kind | undefined {
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
  const response = read(error, 'response');
  for (const status of [
    read(read(error, '$metadata'), 'httpStatusCode'),
    read(error, 'status'),
    read(error, 'statusCode'),
    read(response, 'status'),
    read(response, 'statusCode'),
  ]) {
    const byStatus = typeof status === 'number' ? ofStatus(status) : undefined;
    if (byStatus) return byStatus;
  }
  return undefined;
}

/** One line about a thrown value, bounded, never empty and never `[object Object]`. */
function describeThrown(thrown: unknown, mask: Mask): string {
  const told = (text: string) => bounded(mask(text));
  if (typeof thrown === 'string') return told(thrown.trim() === '' ? 'An empty string was thrown.' : thrown);
  if (typeof thrown !== 'object' || thrown === null) return told(`${inspect(thrown)} was thrown.`);
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
  return told(inspect(thrown, { depth: 2, breakLength: Infinity, maxStringLength, maxArrayLength: 20, customInspect: false }));
}

/** What a thrown value says, bounded. Never throws, whatever the value does when it is read. */
export function messageOf(thrown: unknown, mask: Mask = asIs): string {
  try {
    return describeThrown(thrown, mask);
  } catch {
    return 'A value was thrown that cannot be read.';
  }
}

/** Cuts a message to {@link MAX_MESSAGE} characters, and says so. */
export function bounded(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  const note = ` [cut, ${message.length} characters]`;
  let end = MAX_MESSAGE - note.length;
  // half a surrogate pair is no text
  if ((message.charCodeAt(end - 1) & 0xfc00) === 0xd800) end--;
  return message.slice(0, end) + note;
}

/** A property of anything; undefined where reading it throws. */
function read(target: unknown, key: string): unknown {
  if ((typeof target !== 'object' && typeof target !== 'function') || target === null) return undefined;
  try {
    return (target as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}
