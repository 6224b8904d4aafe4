/** Listeners to the runs of a store, within one process. */

import { heard } from './heard.ts';

/** Gets the id of a run that changed, and nothing else: what changed is in the journal. What it throws is ignored. */
export type Listener = (runId: string) => void;

/** Which changes a listener is told of, and until when. */
export interface SubscribeOptions {
  /** Default: every run. */
  runId?: string;
  /** Ends the subscription. */
  signal: AbortSignal;
}

/**
 * Calls listeners in a microtask after the change, once per run and microtask: a listener may append without entering the store's own
 * append, and one that throws disturbs neither the store nor the other listeners.
 */
export class Listeners {
  readonly #all = new Set<{ listener: Listener }>();
  readonly #byRun = new Map<string, Set<{ listener: Listener }>>();
  readonly #changed = new Set<string>();

  /** With a signal that is aborted already, it adds nothing. */
  add(listener: Listener, { runId, signal }: SubscribeOptions): void {
    if (signal.aborted) return;
    // a listener that subscribes twice is called twice, and each of its signals ends one subscription
    const own = { listener };
    const group = runId === undefined ? this.#all : (this.#byRun.get(runId) ?? new Set());
    if (runId !== undefined) this.#byRun.set(runId, group);
    group.add(own);
    const end = () => {
      group.delete(own);
      if (runId !== undefined && group.size === 0 && this.#byRun.get(runId) === group) this.#byRun.delete(runId);
    };
    signal.addEventListener('abort', end, { once: true });
  }

  changed(runId: string): void {
    if (this.#all.size === 0 && !this.#byRun.has(runId)) return;
    if (this.#changed.size === 0) queueMicrotask(() => this.#tell());
    this.#changed.add(runId);
  }

  #tell(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    // the change is stored, so an error of a listener is ignored
    for (const runId of changed)
      for (const group of [this.#byRun.get(runId) ?? [], this.#all]) for (const { listener } of [...group]) heard(listener, [runId]);
  }
}
