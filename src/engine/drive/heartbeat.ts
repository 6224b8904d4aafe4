import type { Resources } from '../resources.ts';
import { LEASE, left, prolong } from './lease.ts';
import type { LiveRun } from './live-run.ts';

/** Milliseconds between reads of entries by other processes. A cancellation from another process takes up to this long. */
const BEAT = 2_000;

/** Renews the leases of the runs that this process drives, and adopts entries of other processes, such as decisions. */
export class Heartbeat {
  readonly #resources: Resources;
  #timer: NodeJS.Timeout | undefined;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  /** Starts the timer, which stops when no run is left. A journal that is not durable belongs to this process alone and needs none. */
  start(): void {
    if (this.#timer || !this.#resources.journal.durable) return;
    this.#timer = setInterval(() => this.#beat(), BEAT);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    if (this.#resources.active.size === 0) this.stop();
    for (const live of this.#resources.active.values())
      if (live.begun && !live.halt) this.#tend(live).catch((error) => live.stop({ why: 'lost', error }));
  }

  async #tend(live: LiveRun): Promise<void> {
    const { log } = live;
    if (!log.lease || log.run.next === 0) return;
    // a renewal that fails is ignored: if another process claimed the run, adopt() finds its entry
    if (left(log.lease) < (LEASE * 2) / 3) await unlessUnavailable(() => prolong(this.#resources, log));
    await unlessUnavailable(() => log.adopt());
  }
}

/** Ignores `JOURNAL_UNAVAILABLE`: a run is not lost because its store is unreachable for a moment. */
async function unlessUnavailable<T>(f: () => Promise<T>): Promise<T | undefined> {
  try {
    return await f();
  } catch (error) {
    if ((error as { code?: string })?.code === 'JOURNAL_UNAVAILABLE') return undefined;
    throw error;
  }
}
