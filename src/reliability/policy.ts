import { invalid } from '../errors.ts';
import { checkOptions } from '../options.ts';
import type { Breaker, Effect, Retry } from '../ports/tool.ts';
import type { Classified } from './classify.ts';
import { LONGEST_TIMER } from './timer.ts';

/** The options that a tool, an agent or an engine may declare. */
export interface ReliabilityOptions {
  /** Default `once`. */
  effect?: Effect;
  /** Milliseconds of one attempt without progress. Default 60,000; 300,000 for models. */
  timeout?: number;
  /** Most milliseconds of one attempt that keeps reporting progress. Default: 3,600,000 for models, none for tools. */
  longest?: number;
  /** Milliseconds of all attempts and the waits between them. Default: none. */
  deadline?: number;
  /** A field that is absent comes from the next layer. */
  retry?: Retry;
  /** `false`: no breaker. */
  breaker?: Breaker | false;
}

/** The resolved options of one guarded call. Times are in milliseconds. */
export interface EnvelopePolicy {
  /** Decides which failures may be retried: see `mayRetry`. */
  effect: Effect;
  /** Of one attempt without progress. Undefined: none. */
  timeout?: number;
  /** Of one attempt that reports progress. Undefined: only the deadlines end it. */
  longest?: number;
  /** Of all attempts and the waits between them. Undefined: none. */
  deadline?: number;
  /** Most attempts, the first included. */
  attempts: number;
  /** As `retry.on` of `tool()`. Undefined: the codes that are retryable by themselves. */
  on?: readonly string[];
  /** The longest delay before the second attempt. It doubles with each attempt, up to `maxDelay`. */
  initialDelay: number;
  maxDelay: number;
}

/** Consecutive service faults that open the circuit, and milliseconds until a trial call. `false`: no breaker. */
export type BreakerPolicy = { failures: number; recovery: number } | false;

/** What holds where no layer declares an option. Times are in milliseconds. */
export const DEFAULTS = {
  effect: 'once',
  timeout: 60_000,
  attempts: 3,
  initialDelay: 100,
  maxDelay: 20_000,
  failures: 5,
  recovery: 30_000,
} as const;

/**
 * Merges declarations, most specific first: `resolvePolicy(tool, agent, engine)`. Each option comes from the first layer that has it; the
 * fields of `retry` and `breaker` are merged one by one, and `breaker: false` wins over later layers.
 * @throws RondoError `CONFIG_INVALID` for an invalid number; the layer's `name` is in the message.
 */
export function resolvePolicy(...layers: readonly ((ReliabilityOptions & { name?: string }) | undefined)[]): EnvelopePolicy & {
  breaker: BreakerPolicy;
} {
  const policy: EnvelopePolicy & { breaker: BreakerPolicy } = {
    effect: DEFAULTS.effect,
    timeout: DEFAULTS.timeout,
    attempts: DEFAULTS.attempts,
    initialDelay: DEFAULTS.initialDelay,
    maxDelay: DEFAULTS.maxDelay,
    breaker: { failures: DEFAULTS.failures, recovery: DEFAULTS.recovery },
  };
  let breakerOff: boolean | undefined;
  const breaker: { failures?: number; recovery?: number } = {};
  // most general first, so that more specific layers overwrite
  for (const layer of layers.toReversed()) {
    if (!layer) continue;
    checkReliability(layer);
    if (layer.effect !== undefined) policy.effect = layer.effect;
    if (layer.timeout !== undefined) policy.timeout = layer.timeout;
    if (layer.longest !== undefined) policy.longest = layer.longest;
    if (layer.deadline !== undefined) policy.deadline = layer.deadline;
    if (layer.retry?.attempts !== undefined) policy.attempts = layer.retry.attempts;
    if (layer.retry?.on !== undefined) policy.on = [...layer.retry.on];
    if (layer.retry?.initialDelay !== undefined) policy.initialDelay = layer.retry.initialDelay;
    if (layer.retry?.maxDelay !== undefined) policy.maxDelay = layer.retry.maxDelay;
    if (layer.breaker === undefined) continue;
    breakerOff = layer.breaker === false;
    if (layer.breaker === false) continue;
    if (layer.breaker.failures !== undefined) breaker.failures = layer.breaker.failures;
    if (layer.breaker.recovery !== undefined) breaker.recovery = layer.breaker.recovery;
  }
  policy.breaker = breakerOff
    ? false
    : { failures: breaker.failures ?? DEFAULTS.failures, recovery: breaker.recovery ?? DEFAULTS.recovery };
  return policy;
}

/** Whether the policy allows a retry after a failed attempt. */
export function mayRetry(
  failure: Pick<Classified, 'code' | 'retryable' | 'unclassified' | 'outcome'>,
  policy: Pick<EnvelopePolicy, 'effect' | 'on'>,
): boolean {
  const named = policy.on?.includes(failure.code);
  if (policy.effect === 'once') return failure.outcome === 'not-run' && failure.retryable && named !== false;
  return named ?? (failure.retryable || failure.unclassified === true);
}

const RETRY = {
  attempts: 'attempts: 3',
  on: "on: ['THROTTLING']",
  initialDelay: 'initialDelay: 100',
  maxDelay: 'maxDelay: 20_000',
} satisfies Record<keyof Retry, string>;
const BREAKER = { failures: 'failures: 5', recovery: 'recovery: 30_000' } satisfies Record<keyof Breaker, string>;

/** @throws RondoError `CONFIG_INVALID` for an unknown name or an invalid value. */
export function checkReliability(layer: ReliabilityOptions & { name?: string }): void {
  const where = layer.name ? `${layer.name}: ` : '';
  const bad = (what: string, must: string, got: unknown): never => {
    throw invalid(`${where}${what} must be ${must}, not ${show(got)}.`);
  };
  const number = (what: string, value: unknown, least: number, must: string, whole = false, most = Number.MAX_SAFE_INTEGER) => {
    if (value === undefined) return;
    if (typeof value !== 'number' || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) bad(what, must, value);
  };
  if (layer.effect !== undefined && !['read', 'idempotent', 'once'].includes(layer.effect))
    bad('effect', "'read', 'idempotent' or 'once'", layer.effect);
  number('timeout', layer.timeout, 1, 'a number of milliseconds, at least 1');
  number('longest', layer.longest, 1, 'a number of milliseconds, at least 1');
  number('deadline', layer.deadline, 1, 'a number of milliseconds, at least 1');
  const { retry, breaker } = layer;
  if (retry !== undefined) {
    if (typeof retry !== 'object' || retry === null) bad('retry', 'an object such as { attempts: 3 }', retry);
    checkOptions(retry, RETRY, `${where}retry`);
    number('retry.attempts', retry.attempts, 1, 'a whole number, at least 1 (1 means no retry)', true);
    number('retry.initialDelay', retry.initialDelay, 0, 'a number of milliseconds, at least 0');
    number('retry.maxDelay', retry.maxDelay, 0, 'a number of milliseconds, at least 0');
    if (retry.on !== undefined && !(Array.isArray(retry.on) && retry.on.every((code) => typeof code === 'string' && code !== '')))
      bad('retry.on', "a list of codes such as ['THROTTLING']", retry.on);
  }
  if (breaker !== undefined && breaker !== false) {
    if (typeof breaker !== 'object' || breaker === null) bad('breaker', 'false or an object such as { failures: 5 }', breaker);
    checkOptions(breaker, BREAKER, `${where}breaker`);
    number('breaker.failures', breaker.failures, 1, 'a whole number, at least 1', true);
    number('breaker.recovery', breaker.recovery, 1, `a number of milliseconds from 1 to ${LONGEST_TIMER}`, false, LONGEST_TIMER);
  }
}

const show = (value: unknown) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value));
