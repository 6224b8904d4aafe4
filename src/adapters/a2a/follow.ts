/** Follows a run that any process may drive: over the pauses in which it waits for a time or an event, and so asks its caller nothing. */
import type { Engine } from '../../engine/engine.ts';
import type { RunEvent } from '../../engine/read/run-event.ts';
import type { Principal } from '../../ports/principal.ts';

/** Milliseconds between polls of a waiting run: the first and the longest interval. */
export const LOOK = { first: 500, last: 15_000 };

export const longer = (wait: number): number => Math.min(wait * 1.5, LOOK.last);

/**
 * The events of a run until it has ended, or waits for its caller.
 * @param o.events those that are read already, up to the next pause. @param o.after the newest entry that is known. @param o.signal ends it.
 */
export async function* followed(
  engine: Engine,
  by: Principal,
  id: string,
  o: { events?: AsyncIterable<RunEvent>; after?: number; signal: AbortSignal },
): AsyncGenerator<RunEvent, void, undefined> {
  const { signal } = o;
  let { events, after } = o;
  let looked: number | undefined;
  for (let wait = LOOK.first; !signal.aborted; wait = longer(wait)) {
    for await (const event of events ?? engine.watch(id, { by, signal, ...(after !== undefined && { after }) })) {
      after = event.seq ?? after;
      wait = LOOK.first;
      yield event;
    }
    events = undefined;
    if (signal.aborted) return;
    const { status, approvals, seq } = await engine.inspect(id, { by });
    if (status === 'running' || status === 'queued') continue;
    if (status === 'paused' && approvals.length === 0) {
      await pause(wait, signal);
      continue;
    }
    // it may have gone on since the pause, and ended: then its last events are read too
    if (seq <= (after ?? -1) || seq === looked) return;
    looked = seq;
  }
}

/** Waits, at most until the signal is aborted. @param wakeable gets what ends the wait at once. */
export const pause = (ms: number, signal: AbortSignal, wakeable?: { wake: (() => void) | undefined }) =>
  new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      if (wakeable) wakeable.wake = undefined;
      resolve();
    };
    if (wakeable) wakeable.wake = done;
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done, { once: true });
  });
