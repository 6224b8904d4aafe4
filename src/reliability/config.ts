/**
 * Reliability as configuration: JSON with the field names that configurations of tools use, and the options of `tool()` that it stands for.
 */
import { defined } from '../defined.ts';
import { invalid } from '../errors.ts';
import { nearest } from '../options.ts';
import type { Breaker, Retry } from '../ports/tool.ts';
import { DEFAULTS } from './policy.ts';
import { LONGEST_TIMER } from './timer.ts';

/** Each section and field may be left out: then the agent, the engine and the defaults decide. Unknown fields are `CONFIG_INVALID`. */
export interface ReliabilityConfig {
  /** `retry` of `tool()`. */
  retryPolicy?: {
    /** All attempts, the first included. 1: no retry. */
    maxAttempts?: number;
    /** As `retry.on` of `tool()`: for a `once` tool it can only narrow what is retried. */
    retryableErrorCodes?: readonly string[];
    /** `EXPONENTIAL` (default): the longest delay doubles. `FIXED`: it stays. Each delay is a random part of the longest. */
    backoffStrategy?: 'EXPONENTIAL' | 'FIXED';
    /** The longest delay before the second attempt. With `FIXED`, of each delay; then its default is 100. */
    initialDelayMs?: number;
    /** The upper bound of the doubling. Refused with `FIXED`. */
    maxDelayMs?: number;
  };
  /** `timeout` and `deadline` of `tool()`. From 0.001 seconds to about 24.8 days. */
  timeoutConfig?: {
    /** Of one attempt without progress. */
    timeoutSeconds?: number;
    /** Of all attempts and the waits between them. */
    totalTimeoutSeconds?: number;
    /** The agent is told of a timeout, always: this is the only value. */
    onTimeoutBehavior?: 'RETURN_ERROR_TO_AGENT';
  };
  /** `breaker` of `tool()`. */
  circuitBreaker?: {
    /** `false`: no breaker. Default true. */
    enabled?: boolean;
    /** Consecutive faults of the service that open the circuit. */
    failureThreshold?: number;
    /** How long the circuit stays open before one trial call may run. */
    recoveryTimeSeconds?: number;
  };
}

/** Options of `tool()`, of a tool source, or of `reliability.tools` of an agent or engine. Times are in milliseconds. */
export interface ConfiguredReliability {
  /** Absent, as each of these, where the configuration does not set it. */
  retry?: Retry;
  /** Of one attempt without progress. */
  timeout?: number;
  /** Of all attempts and the waits between them. */
  deadline?: number;
  /** `false`: the configuration disables it. */
  breaker?: Breaker | false;
}

const SECTIONS = ['retryPolicy', 'timeoutConfig', 'circuitBreaker'] as const;
const COUNT: Range = { least: 1, whole: true };
const DELAY: Range = { least: 0 };
const SECONDS: Range = { least: 0.001, most: LONGEST_TIMER / 1_000 };
const FIELDS = {
  retryPolicy: {
    maxAttempts: COUNT,
    retryableErrorCodes: 'codes',
    backoffStrategy: ['EXPONENTIAL', 'FIXED'],
    initialDelayMs: DELAY,
    maxDelayMs: DELAY,
  },
  timeoutConfig: { timeoutSeconds: SECONDS, totalTimeoutSeconds: SECONDS, onTimeoutBehavior: ['RETURN_ERROR_TO_AGENT'] },
  circuitBreaker: { enabled: 'boolean', failureThreshold: COUNT, recoveryTimeSeconds: SECONDS },
} as const satisfies Record<(typeof SECTIONS)[number], Readonly<Record<string, Kind>>>;

interface Range {
  readonly least: number;
  readonly most?: number;
  readonly whole?: boolean;
}
/** What a field holds; a list has the texts that it may be. */
type Kind = Range | 'boolean' | 'codes' | readonly string[];

/**
 * Loads a configuration: `tool({ ...reliability(config), name: 'refund', ... })`. What it does not set is left to the agent and the engine.
 * @throws RondoError `CONFIG_INVALID` that names the field, such as `retryPolicy.maxAttemps`, and the one that was meant.
 */
export function reliability(config: ReliabilityConfig): ConfiguredReliability {
  checkFields(config);
  const { retryPolicy, timeoutConfig, circuitBreaker } = config;
  return defined({
    retry: retryPolicy && retryOf(retryPolicy),
    timeout: milliseconds(timeoutConfig?.timeoutSeconds),
    deadline: milliseconds(timeoutConfig?.totalTimeoutSeconds),
    breaker: circuitBreaker && breakerOf(circuitBreaker),
  });
}

const milliseconds = (seconds: number | undefined) => (seconds === undefined ? undefined : 1_000 * seconds);

function retryOf(o: NonNullable<ReliabilityConfig['retryPolicy']>): Retry {
  const fixed = o.backoffStrategy === 'FIXED';
  if (fixed && o.maxDelayMs !== undefined)
    throw invalid(
      'reliability(): retryPolicy.maxDelayMs has no meaning with backoffStrategy "FIXED", whose delay is initialDelayMs. Leave it out.',
    );
  const initialDelay = o.initialDelayMs ?? (fixed ? DEFAULTS.initialDelay : undefined);
  const maxDelay = fixed ? initialDelay : o.maxDelayMs;
  return defined({ attempts: o.maxAttempts, on: o.retryableErrorCodes && [...o.retryableErrorCodes], initialDelay, maxDelay });
}

function breakerOf(o: NonNullable<ReliabilityConfig['circuitBreaker']>): Breaker | false {
  if (o.enabled === false) return false;
  return defined({ failures: o.failureThreshold, recovery: milliseconds(o.recoveryTimeSeconds) });
}

function checkFields(config: unknown): void {
  for (const [section, value] of entriesOf(config, '')) {
    checkName(section, '', SECTIONS);
    const fields: Readonly<Record<string, Kind>> = FIELDS[section as keyof typeof FIELDS];
    for (const [field, given] of entriesOf(value, section)) {
      checkName(field, section, Object.keys(fields));
      checkKind(given, fields[field] as Kind, `${section}.${field}`);
    }
  }
}

function entriesOf(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const names = path === '' ? SECTIONS : Object.keys(FIELDS[path as keyof typeof FIELDS]);
    throw invalid(`reliability(): ${path || 'the configuration'} is an object with ${names.join(', ')}, not ${JSON.stringify(value)}.`);
  }
  return Object.entries(value).filter(([, given]) => given !== undefined);
}

function checkName(name: string, section: string, names: readonly string[]): void {
  if (names.includes(name)) return;
  const path = section === '' ? name : `${section}.${name}`;
  // one that is at the wrong place was not misspelt
  const elsewhere = SECTIONS.find((other) => Object.hasOwn(FIELDS[other], name));
  const meant = elsewhere === undefined ? nearest(name, names) : undefined;
  throw invalid(
    `reliability() has no field "${path}". ${
      elsewhere !== undefined
        ? `"${name}" belongs into ${elsewhere}.`
        : meant !== undefined
          ? `Did you mean "${meant}"?`
          : `There are ${names.join(', ')}.`
    }`,
  );
}

function checkKind(value: unknown, kind: Kind, path: string): void {
  const must = (what: string, holds: boolean) => {
    if (!holds) throw invalid(`reliability(): ${path} must be ${what}, not ${JSON.stringify(value)}.`);
  };
  if (kind === 'boolean') must('true or false', typeof value === 'boolean');
  else if (kind === 'codes')
    must('a list of codes such as ["THROTTLING"]', Array.isArray(value) && value.every((code) => typeof code === 'string' && code !== ''));
  else if (isRange(kind)) {
    const { least, most = Number.MAX_SAFE_INTEGER, whole = false } = kind;
    const what = `a ${whole ? 'whole ' : ''}number from ${least} to ${most}`;
    must(what, typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value)));
  } else {
    const meant = typeof value === 'string' ? nearest(value, kind) : undefined;
    must(meant === undefined ? kind.map((one) => `"${one}"`).join(' or ') : `"${meant}"`, kind.includes(value as string));
  }
}

const isRange = (kind: Kind): kind is Range => typeof kind === 'object' && 'least' in kind;
