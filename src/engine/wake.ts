/** When to look at a run again that another process drives. */
import type { Journal } from '../journal/port.ts';

/** Milliseconds between two looks where the store cannot tell of every change. */
const POLL = 250;
/** And where it can: a connection may be lost without a word. */
const SAFETY = 5_000;

export interface Wake {
  /** Resolves when the run may have changed since the last call, or the signal is aborted. */
  next(signal: AbortSignal | undefined): Promise<void>;
  close(): void;
}

/** Listens where the store pushes. Await it before reading the run: a change after that is not missed. */
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
    // a store that cannot push now is polled
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
