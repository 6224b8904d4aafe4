import type { Active } from './active.ts';
import { LEASE, left, prolong } from './lease.ts';
import type { Resources } from './resources.ts';

/** Milliseconds between looks at what others appended to our runs: how long a request to cancel from another process takes. */
const BEAT = 2_000;

/** Keeps the leases of the runs this process drives, and takes in what other processes decided meanwhile. */
export class Heartbeat {
  readonly #resources: Resources;
  #timer: NodeJS.Timeout | undefined;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  /** Runs while there are runs. A journal that no other process can reach needs none. */
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
    for (const active of this.#resources.active.values())
      if (active.log && !active.halted) this.#tend(active).catch((error) => active.halt({ why: 'lost', error }));
  }

  async #tend(active: Active): Promise<void> {
    const { log } = active;
    if (!log?.lease || log.run.next === 0) return;
    // a lease that somebody else has taken changes nothing yet: their claim is in the journal, and adopt() sees it
    if (left(log.lease) < (LEASE * 2) / 3) await unlessUnavailable(() => prolong(this.#resources, log));
    await unlessUnavailable(() => log.adopt());
  }
}

/** A run is not given up because its store is unreachable for a moment. */
async function unlessUnavailable<T>(f: () => Promise<T>): Promise<T | undefined> {
  try {
    return await f();
  } catch (error) {
    if ((error as { code?: string })?.code === 'JOURNAL_UNAVAILABLE') return undefined;
    throw error;
  }
}
