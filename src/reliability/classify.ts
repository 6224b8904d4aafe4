import { inspect } from 'node:util';
import { type Failure, type Outcome, RondoError, ToolError } from '../errors.ts';
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

/** What a thrown value means. Codes and their meaning: {@link Kind}. */
export interface Classified {
  code: string;
  /** Never empty, at most {@link MAX_MESSAGE} characters. */
  message: string;
  retryable: boolean;
  /** No table lists it, so it is unknown whether another try helps: calls that may run twice are tried again. */
  unclassified?: true;
  outcome: Outcome;
  /** Milliseconds the other side asked to wait. */
  retryAfter?: number;
  fault: Fault;
}

export type FallbackCode = 'TOOL_FAILED' | 'MODEL_FAILED' | 'NODE_FAILED' | 'STEP_FAILED' | 'AGENT_FAILED' | 'MEMORY_FAILED';

export type Mask = (text: string) => string;
const asIs: Mask = (text) => text;

export const MAX_MESSAGE = 2_000;
const MAX_CODE = 100;
const MAX_DEPTH = 6;

/**
 * Classifies anything that was thrown: a ToolError as it says, errors of AWS, HTTP, gRPC and Node by table, the rest as `fallbackCode`.
 * `not-run` and `failed` only where the error itself proves it: a plain Error that wraps a refused connection, or a 404, proves
 * nothing of what its author did before. All else is `unknown`. Never throws, whatever the value does when it is read.
 * @param mask takes secrets out of what is told, before anything is cut: half a secret would not be found.
 */
export function classify(error: unknown, fallbackCode: FallbackCode = 'TOOL_FAILED', mask: Mask = asIs): Classified {
  try {
    return own(error, fallbackCode, mask) ?? byTable(error, fallbackCode, mask) ?? unclassified(describeThrown(error, mask), fallbackCode);
  } catch {
    return unclassified('A value was thrown that cannot be read.', fallbackCode);
  }
}

/**
 * What was thrown, as the failure of what was tried once.
 * @param o.effect of what was tried. Left out for a node or an agent, which are no effect of their own: their steps and calls say
 * what is known of each, and only a ToolError says more.
 * @param o.where said before an error that has no code of its own.
 */
export function failureOf(thrown: unknown, fallbackCode: FallbackCode, o: { effect?: Effect; where?: string } = {}): Failure {
  const effect = o.effect ?? (ToolError.is(thrown) ? 'once' : 'read');
  const { code, message, retryable, outcome } = asSeen(classify(thrown, fallbackCode), effect);
  return { code, message: bounded(code === fallbackCode ? (o.where ?? '') + message : message), retryable, attempts: 1, outcome };
}

/** A read has no effect that could be unknown. */
export function asSeen(failure: Classified, effect: Effect): Classified {
  return effect === 'read' && failure.outcome === 'unknown' ? { ...failure, outcome: 'failed' } : failure;
}

const unclassified = (message: string, code: string): Classified => ({
  code,
  message,
  retryable: false,
  // a model's answer may have been charged: its adapter says what is worth another one
  ...(code !== 'MODEL_FAILED' && { unclassified: true }),
  outcome: 'unknown',
  fault: 'none',
});

/** Errors of this package, of another copy of it too. */
function own(error: unknown, fallbackCode: FallbackCode, mask: Mask): Classified | undefined {
  if (RondoError.is(error))
    return { code: error.code, message: describeThrown(error, mask), retryable: false, outcome: 'unknown', fault: 'none' };
  if (!ToolError.is(error)) return undefined;
  const { code: said, outcome: was, retryAfter } = error;
  const code = typeof said === 'string' && said !== '' ? mask(said).slice(0, MAX_CODE) : fallbackCode;
  const outcome = was === 'not-run' || was === 'failed' ? was : 'unknown';
  const retryable = error.retryable === true;
  // an error that its author foresaw, and that trying again does not heal, is an answer and no sign of an ill service
  const fault = faultOf(code) ?? (retryable ? 'service' : outcome === 'unknown' ? 'none' : 'caller');
  const classified: Classified = { code, message: describeThrown(error, mask), retryable, outcome, fault };
  if (typeof retryAfter === 'number' && retryAfter >= 0) classified.retryAfter = retryAfter;
  return classified;
}

const SHORTEN = 'Shorten the conversation, bound what tools return (maxBytes), or use a model with a larger context.';

interface Found {
  kind: Kind;
  /** The error of the chain that the tables know. */
  at: object;
  /** What the error at hand proves, see {@link classify}. */
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
  // only its words tell it from another refusal, and only a model's words mean it
  if (code === 'VALIDATION' && fallbackCode === 'MODEL_FAILED' && isTooLong(message))
    return { code: 'CONTEXT_TOO_LONG', message: bounded(`${message} ${SHORTEN}`), retryable: false, outcome, fault };
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
    // what is known of all is what is known of the worst of them, and nothing where one is not known
    const worst = each.reduce((a, f) => (a && (!f || severity[f.outcome] <= severity[a.outcome]) ? a : f), undefined);
    return worst && { ...worst, outcome: errors.length > 20 || each.includes(undefined) ? 'unknown' : worst.outcome };
  }
  const unsent = read(error, 'code') === NOT_SENT ? search(read(error, 'cause'), depth + 1) : undefined;
  if (unsent) return unsent;
  const status = statusOf(error);
  const kind = lookUp(error, status);
  if (kind) return { kind, at: error, outcome: outcomeOf(kind, status) };
  const inner = search(read(error, 'cause'), depth + 1);
  // fetch wraps the error of its one connection; of any other wrapper it is unknown what else it did
  return inner && (error instanceof TypeError && error.message === 'fetch failed' ? inner : { ...inner, outcome: 'unknown' });
}

/** From what is best known to what is least. */
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

/** The status of a failure that a service answered: of the AWS SDK, of fetch, of axios and its like. */
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
  // half a surrogate pair is not valid text
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
