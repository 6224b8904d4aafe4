import { RondoError } from '../../errors.ts';
import { damaged } from '../../journal/errors.ts';
import { apply, emptyFold, type RunFold } from '../../journal/fold/fold.ts';
import type { Principal } from '../../ports/principal.ts';
import { aboutRun, aboutStart } from '../about.ts';
import { assertAccess } from '../access.ts';
import type { LiveRun } from '../drive/live-run.ts';
import { type Wake, wakeFor } from '../drive/wake.ts';
import { checkCall } from '../method-options.ts';
import type { Resources } from '../resources.ts';
import { eventOf } from './events.ts';
import { notFound, sees, type Viewer } from './lookup.ts';
import type { RunEvent } from './run-event.ts';
import type { EventStream } from './stream.ts';

/** The events of entries `after` < seq < `before`. The run is read from its start, because an event depends on earlier entries. */
async function* replay({ journal }: Resources, runId: string, after: number, before: number): AsyncGenerator<RunEvent> {
  let run: RunFold | undefined;
  for await (const entry of journal.read(runId)) {
    if (entry.seq >= before) return;
    if (!run) run = emptyFold(runId, entry.type === 'run.started' ? entry.agent : '');
    apply(run, entry);
    if (entry.seq > after) yield eventOf(run, entry);
  }
}

/** The events of a run that this process drives: first the events in the journal, then live ones. */
export function follow(resources: Resources, live: LiveRun, after = live.from - 1): EventStream {
  const next = live.begun ? live.log.run.next : 0;
  return live.join((stream) => {
    if (next > after + 1) void stream.replay(replay(resources, live.runId, after, next));
  });
}

export interface WatchOptions {
  /** The sequence number of the last event seen. Default -1: all of them. */
  after?: number;
  signal?: AbortSignal;
}

/** The events of a run until it ends or pauses, whichever process drives it. @throws RondoError `ENGINE_CLOSED` where it would wait for more. */
export async function* watch(
  resources: Resources,
  runId: string,
  o: WatchOptions & { by?: Principal },
  viewer: Viewer,
): AsyncGenerator<RunEvent, void, undefined> {
  checkCall('watch', o);
  const { signal } = o;
  let after = o.after ?? -1;
  let run: RunFold | undefined;
  let wake: Wake | undefined;
  const closed = new AbortController();
  const close = () => closed.abort();
  resources.closing.add(close);
  const stopped = signal ? AbortSignal.any([signal, closed.signal]) : closed.signal;
  try {
    while (!signal?.aborted) {
      const live = resources.active.get(runId);
      const log = live && (await resources.opened(runId));
      if (live && log) {
        if (!sees(viewer, log.run.started.by?.tenant)) throw notFound(runId);
        if (!run) await assertAccess(resources, 'inspect', viewer, aboutRun(log.run));
        try {
          for await (const event of until(follow(resources, live, after), signal)) {
            after = event.seq ?? after;
            yield event;
          }
          return;
        } catch (error) {
          if (!RondoError.is(error, 'RUN_BUSY')) throw error;
          // another process drives it on, and the store has the rest
          continue;
        }
      }
      wake ??= await wakeFor(resources.journal, runId);
      for await (const entry of resources.journal.read(runId, run ? run.next - 1 : -1)) {
        if (!run) {
          if (entry.type !== 'run.started') throw damaged(runId, entry.seq, 'it does not begin with its start');
          if (!sees(viewer, entry.by?.tenant)) throw notFound(runId);
          run = emptyFold(runId, entry.agent);
          await assertAccess(resources, 'inspect', viewer, aboutStart(runId, entry));
        }
        apply(run, entry);
        if (entry.seq <= after) continue;
        after = entry.seq;
        yield eventOf(run, entry);
        if (signal?.aborted) return;
      }
      if (!run) throw notFound(runId);
      if (run.status !== 'running' && run.status !== 'queued') return;
      // a journal in memory can be read on, but nothing may tell of changes any more
      resources.assertOpen();
      await wake.next(stopped);
    }
  } finally {
    resources.closing.delete(close);
    wake?.close();
  }
}

async function* until(stream: EventStream, signal: AbortSignal | undefined): AsyncGenerator<RunEvent, void, undefined> {
  const stop = () => void stream.return();
  // it may have been aborted while the run was looked for
  if (signal?.aborted) stop();
  else signal?.addEventListener('abort', stop, { once: true });
  try {
    yield* stream;
  } finally {
    signal?.removeEventListener('abort', stop);
    void stream.return();
  }
}
