/** Waits until a call is within the rates of AWS, so that it is not throttled there. By process: several share the rates of an account. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Calls a second, as AWS documents them. What is not listed has 20. */
const RATES: Readonly<Record<string, number>> = { CreateEvent: 200, ListEvents: 200, RetrieveMemoryRecords: 30, ListMemoryRecords: 30 };
const DEFAULT_RATE = 20;
/** Buckets are looked through when there are more. */
const MOST = 10_000;

export interface Pace {
  /** @param session a rate of its own for an actor's session. @throws the reason of `signal`. */
  wait(operation: string, session?: { key: string; perSecond: number }, signal?: AbortSignal): Promise<void>;
}

interface Bucket {
  /** When the next call may go, if nothing may go at once. */
  next: number;
}

export function pace(now = () => performance.now()): Pace {
  const buckets = new Map<string, Bucket>();

  /** Takes the next place. Half a second's calls may go at once, the rest one after the other. @returns milliseconds until it may go. */
  function take(key: string, perSecond: number): number {
    const at = now();
    if (buckets.size > MOST) for (const [other, { next }] of buckets) if (next < at) buckets.delete(other);
    const bucket = buckets.get(key) ?? { next: 0 };
    buckets.set(key, bucket);
    const gap = 1_000 / perSecond;
    // AWS counts when they arrive, so a whole second's calls at once would leave nothing for a delay on the way
    const atOnce = Math.max(1, Math.floor(perSecond / 2));
    const place = Math.max(bucket.next, at - (atOnce - 1) * gap);
    bucket.next = place + gap;
    return Math.max(0, place - at);
  }

  return {
    async wait(operation, session, signal) {
      signal?.throwIfAborted();
      const waits = [take(operation, RATES[operation] ?? DEFAULT_RATE)];
      if (session) waits.push(take(`${operation} ${session.key}`, session.perSecond));
      const longest = Math.max(...waits);
      if (longest > 0) await sleep(longest, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    },
  };
}
