/** Milliseconds before a run is tried again, doubled with every failure up to `longest`. */
const RETRY = { first: 1_000, longest: 300_000 };
/** Most runs that are remembered. The one that failed first is tried again too early. */
const MOST = 10_000;

/** A run that this loop could not drive. */
export interface Retrying {
  runId: string;
  /** Failures in a row. */
  failures: number;
  /** When it is tried again, epoch milliseconds by the store's clock. */
  until: number;
  /** Of the last failure. */
  code: string;
}

/**
 * Runs that could not be driven, such as those whose tool source is away. It is in memory and not in the head: another process may be
 * able to drive them, and a write per failure would load a store that is failing. A run that kills its process is stopped by the journal,
 * as `CRASH_LOOP`.
 */
export class Backoff {
  readonly #runs = new Map<string, Retrying>();

  failed(runId: string, now: number, code: string): void {
    const failures = (this.#runs.get(runId)?.failures ?? 0) + 1;
    this.#runs.delete(runId);
    this.#runs.set(runId, { runId, failures, until: now + Math.min(RETRY.longest, RETRY.first * 2 ** (failures - 1)), code });
    if (this.#runs.size > MOST) this.#runs.delete(this.#runs.keys().next().value as string);
  }

  clear(runId: string): void {
    this.#runs.delete(runId);
  }

  /** Whether the run must wait. */
  holds(runId: string, now: number): boolean {
    return (this.#runs.get(runId)?.until ?? 0) > now;
  }

  list(): readonly Retrying[] {
    return [...this.#runs.values()].map((one) => ({ ...one }));
  }

  /** When the next one is tried again, epoch milliseconds; infinity if there is none. */
  next(now: number): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { until } of this.#runs.values()) if (until > now && until < first) first = until;
    return first;
  }
}
