/** Faults that are injected on purpose, and the rates at which AWS throttles. */
import { invalid } from '../../../errors.ts';
import { nearest } from '../../../options.ts';
import type { Clock } from './clock.ts';
import { AwsError, because } from './codec/error.ts';
import { model } from './model/model.ts';

/**
 * `throttle`: 429 before anything happens. `error`: 500 before anything happens. `error-after`: 500 after the effect. `reset`: the connection breaks
 * after the effect, before the answer. `reset-stream`: it breaks after the first chunk of the answer.
 */
export type FaultKind = 'throttle' | 'error' | 'error-after' | 'reset' | 'reset-stream';

export interface Fault {
  readonly kind: FaultKind;
  /** The name of an operation, or `*`. */
  readonly operation: string;
  /** From 0 to 1. */
  readonly probability: number;
}

const KINDS: readonly string[] = ['throttle', 'error', 'error-after', 'reset', 'reset-stream'] satisfies FaultKind[];

/** @param text `throttle=CreateEvent:0.2`; without a probability, always. @throws RondoError `CONFIG_INVALID`. */
export function faultOf(text: string): Fault {
  const match = /^([\w-]+)=(\w+|\*)(?::([\d.]+))?$/.exec(text);
  const probability = Number(match?.[3] ?? 1);
  if (!match || !KINDS.includes(match[1] as string) || !(probability >= 0 && probability <= 1))
    throw invalid(
      `the fault ${JSON.stringify(text)} is not kind=Operation:probability, such as throttle=CreateEvent:0.2. Kinds: ${KINDS.join(', ')}.`,
    );
  const operation = match[2] as string;
  const names = model().operations.map(({ name }) => name);
  if (operation !== '*' && !names.includes(operation)) {
    const meant = nearest(operation, names);
    throw invalid(
      `the fault ${JSON.stringify(text)} is of "${operation}", which no operation is called. ${meant ? `Did you mean "${meant}"?` : 'Give one such as CreateEvent, or "*" for all.'}`,
    );
  }
  return { kind: match[1] as FaultKind, operation, probability };
}

export const faultText = ({ kind, operation, probability }: Fault): string => `${kind}=${operation}:${probability}`;

export interface Faults {
  list: readonly Fault[];
  /** The fault that happens to this call. */
  happens(kind: FaultKind, operation: string): Fault | undefined;
}

/** @param seed calls in the same order meet the same faults. */
export function faults(list: readonly Fault[], seed: number): Faults {
  const random = randomOf(seed);
  const own: Faults = {
    list,
    happens: (kind, operation) =>
      own.list.find(
        (fault) => fault.kind === kind && (fault.operation === '*' || fault.operation === operation) && random() < fault.probability,
      ),
  };
  return own;
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Calls a second, by operation, as AWS documents them; those of its default are not listed. Of a runtime: for each. */
export const RATES: Readonly<Record<string, number>> = {
  CreateEvent: 200,
  ListEvents: 200,
  RetrieveMemoryRecords: 30,
  ListMemoryRecords: 30,
  IngestData: 10,
  GetEvent: 20,
  DeleteEvent: 20,
  ListSessions: 20,
  ListActors: 20,
  GetMemoryRecord: 20,
  DeleteMemoryRecord: 20,
  BatchCreateMemoryRecords: 20,
  BatchUpdateMemoryRecords: 20,
  BatchDeleteMemoryRecords: 20,
  ListMemoryExtractionJobs: 20,
  StartMemoryExtractionJob: 20,
  InvokeAgentRuntime: 1000,
  InvokeAgentRuntimeCommand: 1000,
  StopRuntimeSession: 1000,
  GetAgentCard: 1000,
};

/** When there are more, the one that was used longest ago is forgotten: it is full again, unless a second has more keys than these. */
const MOST_BUCKETS = 10_000;

/** Lets as many calls through as AWS would: a bucket for each key, which a second fills. */
export interface Throttle {
  /** @throws AwsError `ThrottlingException`. */
  take(key: string, perSecond: number): void;
  /** All buckets are full again. */
  clear(): void;
}

export function throttle(clock: Clock): Throttle {
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    take(key, perSecond) {
      const now = clock.now();
      const bucket = buckets.get(key) ?? { left: perSecond, at: now };
      bucket.left = Math.min(perSecond, bucket.left + ((now - bucket.at) / 1000) * perSecond);
      bucket.at = now;
      // the newest comes last
      buckets.delete(key);
      buckets.set(key, bucket);
      const [oldest] = buckets.keys();
      if (buckets.size > MOST_BUCKETS && oldest !== undefined) buckets.delete(oldest);
      if (bucket.left < 1)
        throw because(new AwsError('ThrottlingException', 'Rate exceeded'), `${key} has more than ${perSecond} calls a second.`);
      bucket.left -= 1;
    },
    clear: () => buckets.clear(),
  };
}
