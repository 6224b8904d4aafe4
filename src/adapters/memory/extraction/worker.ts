/** Extracts in the background what was appended, by this process or another. */
import { setTimeout as sleep } from 'node:timers/promises';
import { dueActors, isOpen, newestJob } from './jobs.ts';
import { type Working, workOn } from './work.ts';

/** Actors that are worked on at the same time. */
const PARALLEL = 4;
/** Milliseconds between two looks for jobs that a process left behind. */
const POLL = 10_000;
/** Milliseconds between two looks at what other processes do, while `settled` waits. */
const SETTLING = 100;
/** Milliseconds before the file is read again after it could not be. */
const PAUSE = 1_000;

export interface Worker {
  /** Looks for jobs that are due. */
  wake(): void;
  /** @throws the reason of `signal`; what the file throws */
  settled(o: { actor?: string; session?: string; signal?: AbortSignal }): Promise<void>;
  /** Gives up what is under way: it stays to be done. */
  close(): Promise<void>;
}

export function extractionWorker(given: Omit<Working, 'ended'>): Worker {
  const { settings } = given;
  const { db } = settings;
  const working = new Map<string, Promise<void>>();
  const stop = new AbortController();
  const waiting = new Set<() => void>();
  const o: Working = {
    ...given,
    ended() {
      for (const look of waiting) look();
    },
  };
  const names = () => JSON.stringify([...o.strategies().keys()]);
  let timer: NodeJS.Timeout | undefined;
  let looking = Promise.resolve();
  let asked = false;

  function wake(): void {
    if (stop.signal.aborted || asked || o.strategies().size === 0) return;
    asked = true;
    looking = looking.then(look);
  }

  async function look(): Promise<void> {
    asked = false;
    if (stop.signal.aborted) return;
    let wait = PAUSE;
    try {
      const { actors, next } = await db.read(() => dueActors(settings, names()));
      for (const actor of actors) if (working.size < PARALLEL && !working.has(actor)) begin(actor);
      wait = next === undefined ? POLL : Math.min(POLL, Math.max(1, next - settings.now()));
    } catch {
      // the file is locked or full: what is to be done stays in it
    }
    clearTimeout(timer);
    if (stop.signal.aborted) return;
    timer = setTimeout(wake, wait);
    // it must not keep the process alive: the next one continues
    timer.unref();
  }

  function begin(actor: string): void {
    const work = workOn(actor, o, stop.signal).then(
      () => wake(),
      // a file that cannot be written is not asked again at once
      () => undefined,
    );
    working.set(
      actor,
      work.finally(() => working.delete(actor)),
    );
  }

  return {
    wake,
    async settled({ signal, ...of }) {
      const upTo = await db.read(() => newestJob(settings));
      while (await db.read(() => isOpen(settings, names(), upTo, of))) {
        wake();
        await changed(waiting, signal);
      }
    },
    async close() {
      stop.abort(new Error('the memory was closed'));
      clearTimeout(timer);
      await looking;
      await Promise.all(working.values());
    },
  };
}

/** Resolves when a job of this process has ended, and after a moment, as other processes do not tell. */
async function changed(waiting: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  const done = new AbortController();
  const look = () => done.abort();
  waiting.add(look);
  try {
    await sleep(SETTLING, undefined, { signal: signal ? AbortSignal.any([signal, done.signal]) : done.signal });
  } catch {
    signal?.throwIfAborted();
  } finally {
    waiting.delete(look);
  }
}
