/** Waits for changes of a run that another process drives. */
import type { Journal } from '../../journal/port.ts';

/** Milliseconds between polls if the store does not report every change. */
const POLL = 250;
/** Milliseconds between polls if it does, because a connection may be lost silently. */
const SAFETY = 5_000;

export interface Wake {
  /** Resolves when the run may have changed since the last call, or the signal is aborted. */
  next(signal: AbortSignal | undefined): Promise<void>;
  close(): void;
}

/** Subscribes to changes if the store supports it. Await it before reading the run, so that no later change is missed. */
export async function wakeFor(journal: Journal, runId: string): Promise<Wake> {
  const ended = new AbortController();
  let changed = false;
  let wake: (() => void) | undefined;
  const listener = () => {
    changed = true;
    wake?.();
  };
  let every = POLL;
  try {
    if (await journal.subscribe?.(listener, { runId, signal: ended.signal })) every = SAFETY;
  } catch {
    // if the subscription fails, the store is polled
  }
  return {
    async next(signal) {
      if (!changed && !signal?.aborted)
        await new Promise<void>((resolve) => {
          const done = () => {
            clearTimeout(timer);
            signal?.removeEventListener('abort', done);
            wake = undefined;
            resolve();
          };
          const timer = setTimeout(done, every);
          signal?.addEventListener('abort', done, { once: true });
          wake = done;
        });
      changed = false;
    },
    close: () => ended.abort(),
  };
}
