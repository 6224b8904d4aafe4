import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine } from '../engine/engine.ts';
import { invalid, RondoError } from '../errors.ts';
import { LONGEST_TIMER } from '../reliability/timer.ts';
import { report } from './report.ts';

/** Milliseconds. A dead process's run can be taken over when its lease expires, 30 seconds after the last renewal. */
const EVERY = 15_000;

export interface WorkerOptions {
  /** Milliseconds between two polls. Default 15,000. */
  every?: number;
  /** Gets the error of a failed poll or of a resumed run. Default: a process warning. */
  onError?: (error: unknown) => void;
}

export interface Worker extends AsyncDisposable {
  /** Ends the loop, and resolves when the current poll has ended. Resumed runs continue; `engine.close()` releases them. */
  stop(): Promise<void>;
}

/**
 * Resumes runs that no process drives: calls `engine.recover()` and `engine.sweep()` now, and then repeatedly until it is stopped or the
 * engine is closed. It keeps the process alive.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function worker(engine: Engine, o: WorkerOptions = {}): Worker {
  const { every = EVERY, onError = report('worker()') } = o;
  if (!(Number.isFinite(every) && every > 0 && every <= LONGEST_TIMER))
    throw invalid(`worker(): every is a number of milliseconds above 0, not ${String(every)}. Default: ${EVERY}.`);
  const stopping = new AbortController();
  const { signal } = stopping;
  const tell = (error: unknown) => {
    // expected: another process took the run, or this engine closes and released it
    if (RondoError.is(error, 'RUN_BUSY') || RondoError.is(error, 'ENGINE_CLOSED')) return;
    try {
      onError(error);
    } catch {
      // a listener that throws does not end the loop
    }
  };

  async function look(): Promise<void> {
    for (const find of [() => engine.recover(), () => engine.sweep()]) for await (const { run } of find()) run.then(undefined, tell);
  }

  async function loop(): Promise<void> {
    while (!signal.aborted) {
      try {
        await look();
      } catch (error) {
        if (RondoError.is(error, 'ENGINE_CLOSED')) return;
        tell(error);
      }
      await sleep(every, undefined, { signal }).catch(() => undefined);
    }
  }

  const done = loop();
  const stop = () => {
    stopping.abort();
    return done;
  };
  return { stop, [Symbol.asyncDispose]: stop };
}
