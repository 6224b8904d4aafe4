import { RondoError } from '../errors.ts';
import { limitText } from '../loop/limits.ts';
import { messageOf } from '../reliability/classify.ts';
import type { RunResult } from './read/results.ts';
import type { RunEvent } from './read/run-event.ts';
import { textOf } from './read/text.ts';

/**
 * A running run. Await it for its result, or iterate over its events, or both. It continues even if you do neither.
 * An async function that returns it would await it, so return `run.id` or `{ run }` instead to keep it iterable.
 */
export interface Run<O = unknown> extends PromiseLike<RunResult<O>>, AsyncIterable<RunEvent> {
  /** Known at once, before the run is in the journal. */
  readonly id: string;
  then: Promise<RunResult<O>>['then'];
  catch<T = never>(rejected?: ((reason: unknown) => T | PromiseLike<T>) | null): Promise<RunResult<O> | T>;
  finally(last?: (() => void) | null): Promise<RunResult<O>>;
  /**
   * The streamed text for the user: of the top agent, or of the agent that took over the conversation, not of other sub-agents. The texts
   * of two steps are separated by a blank line. A run without text, such as a graph's, yields its output if that is text. The stream ends
   * with the run, however it ends; await the run for the result. If a model attempt fails midway, its text is followed by that of the
   * next attempt; the events distinguish them.
   */
  text(): AsyncIterable<string>;
  /**
   * The output of a completed run.
   * Rejects with RondoError `RUN_NOT_COMPLETED` if the run ends otherwise. Its details are the result.
   */
  output(): Promise<O>;
}

/** Of a run that this engine drives: resolves once its first entry is in the journal, with true, or the drive has ended without one. */
const ACCEPTED = Symbol('accepted');
type Accepted = () => Promise<boolean>;

/** Waits until the first entry of a run is in the journal, without reading its events. Rejects with the error of a run that could not start. */
export async function acceptedRun(run: Run): Promise<void> {
  const accepted = (run as Run & { [ACCEPTED]?: Accepted })[ACCEPTED];
  if (!(await accepted?.())) await run;
}

export function runHandle<O>(id: string, done: Promise<RunResult>, events: () => AsyncIterator<RunEvent>, accepted?: Accepted): Run<O> {
  let taken = false;
  const result = () => {
    taken = true;
    return done as Promise<RunResult<O>>;
  };
  const read = () => {
    taken = true;
    return events();
  };
  // a reader of the events gets the error too, so it must not be an unhandled rejection; but it must not be lost
  done.catch((error) => setImmediate(() => taken || tellUntaken(id, error)));
  const handle: Run<O> & { [ACCEPTED]?: Accepted | undefined } = {
    id,
    [ACCEPTED]: accepted,
    // biome-ignore lint/suspicious/noThenProperty: a run is awaited
    then: (fulfilled, rejected) => result().then(fulfilled, rejected),
    catch: (rejected) => result().catch(rejected),
    finally: (last) => result().finally(last),
    [Symbol.asyncIterator]: read,
    text: () => textOf(read()),
    async output() {
      const end = await result();
      if (end.status === 'completed') return end.output;
      throw new RondoError('RUN_NOT_COMPLETED', `run ${id} ${ended(end)}`, { details: JSON.parse(JSON.stringify(end)) });
    },
  };
  return handle;
}

/** Nothing awaits a run that rejects, and nothing reads its events. One that an engine gave back as it closed goes on elsewhere. */
function tellUntaken(id: string, error: unknown): void {
  if (RondoError.is(error, 'ENGINE_CLOSED')) return;
  const code = RondoError.is(error) ? error.code : 'INTERNAL';
  process.emitWarning(`run ${id} rejected, and nothing awaits it: ${code}: ${messageOf(error)} Await the run, or catch().`, 'RondoWarning');
}

/** A run that starts after something else is done. */
export function runAfter<O>(id: string, before: Promise<unknown>, begin: () => Run<O>): Run<O> {
  // wrapped in an object, because a promise would await the run
  const begun = before.then(() => ({ run: begin() }));
  const events = () => {
    const joined = begun.then(({ run }) => ({ iterator: run[Symbol.asyncIterator]() }));
    joined.catch(() => undefined);
    return {
      next: async () => (await joined).iterator.next(),
      return: async (): Promise<IteratorResult<RunEvent>> => {
        await (await joined).iterator.return?.();
        return { done: true, value: undefined };
      },
    };
  };
  return runHandle<O>(
    id,
    begun.then(
      ({ run }) => run,
      (error) => Promise.reject(engineError(error)),
    ),
    events,
  );
}

/** The error that a run rejects with. Anything but a RondoError, for example from a custom store, becomes `INTERNAL`. */
export const engineError = (thrown: unknown): RondoError =>
  RondoError.is(thrown) ? thrown : new RondoError('INTERNAL', `the engine could not go on: ${messageOf(thrown)}`, { cause: thrown });

/** A run that did not start. Awaiting it and reading its events reject with the reason. */
export function refused<O>(id: string, reason: unknown): Run<O> {
  const rejected = Promise.resolve(reason).then((error) => Promise.reject(engineError(error)));
  return runHandle(id, rejected, () => ({ next: () => rejected }));
}

export const runExists = (id: string) =>
  new RondoError('RUN_EXISTS', `there is a run ${id} already. Use another id, or resume or watch that run.`, { details: { runId: id } });

/** `RUN_EXISTS` for a caller who may not see that run: the message does not say whether it exists. */
export const idTaken = (id: string) =>
  new RondoError('RUN_EXISTS', `the id ${id} cannot be used here. Use another one, or leave it out: then one is made.`, {
    details: { runId: id },
  });

function ended(result: Exclude<RunResult, { status: 'completed' }>): string {
  switch (result.status) {
    case 'paused':
      return result.approvals.length > 0
        ? `waits for ${result.approvals.length} approval(s). decide() them, then resume() it.`
        : `waits until ${new Date(Math.min(...result.waiting.map(({ until }) => until))).toISOString()}. sweep() or resume() it then.`;
    case 'stopped':
      return `stopped at its limit: ${limitText(result.limit)}. resume() it with a higher one.`;
    case 'failed':
      return `failed: ${result.error.code}: ${result.error.message}`;
    case 'cancelled':
      return `was cancelled${result.reason ? `: ${result.reason}` : ''}.`;
  }
}
