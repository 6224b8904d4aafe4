/** `engine.work()`: drives the runs that need a process. */
import { invalid } from '../../errors.ts';
import { heard } from '../../journal/heard.ts';
import { checkOptions } from '../../options.ts';
import { LONGEST_TIMER } from '../../reliability/timer.ts';
import type { Worked, WorkState } from './worked.ts';
import { Loop, type LoopPorts } from './working.ts';

/** How much a loop takes on, and who is told of it. */
export interface WorkOptions {
  /** Most runs that this loop drives at a time. Default 100. */
  concurrency?: number;
  /** Most of them of one tenant; those without a tenant count as one. Default: no limit. */
  perTenant?: number;
  /** Milliseconds after which the store is asked again, if it told of no change. Default 1,000. */
  every?: number;
  /** On SIGTERM and SIGINT: takes no more runs and closes the engine, which gives running calls 5 seconds to end. Default false. */
  signals?: boolean;
  /** Ends the loop at once. Runs that it drives go on. */
  signal?: AbortSignal;
  /** Called with each run as the loop begins to drive it. An error of it is ignored. */
  onRun?: (worked: Worked) => void;
  /** Gets the error of the store, or of a run that could not be driven. Default: a process warning. */
  onError?: (error: unknown, runId?: string) => void;
}

/** A loop that drives runs. It keeps the process alive until it is stopped or the engine is closed. */
export interface Work extends AsyncDisposable {
  /** Takes no more runs. Resolves once those that it drives have ended or paused; `engine.close()` ends them sooner. */
  stop(): Promise<void>;
  /** Looks again, and resolves once nothing is due and it drives nothing; or the loop has ended. For tests. */
  idle(): Promise<void>;
  /** A copy of what it does now. */
  state(): WorkState;
}

const WORK_OPTIONS = {
  concurrency: 'concurrency: 100',
  perTenant: 'perTenant: 10',
  every: 'every: 1_000',
  signals: 'signals: true',
  signal: 'signal: controller.signal',
  onRun: 'onRun: ({ runId, kind }) => log(runId, kind)',
  onError: 'onError: (error) => log(error)',
} satisfies Record<keyof WorkOptions, string>;

const EVERY = 1_000;
const CONCURRENCY = 100;

/** @see Engine.work. @param close closes the engine. */
export function work(ports: LoopPorts, o: WorkOptions, close: () => Promise<void>): Work {
  checkOptions(o, WORK_OPTIONS, 'work()');
  const { concurrency = CONCURRENCY, perTenant = Number.POSITIVE_INFINITY, every = EVERY, signal, onRun, onError = warn } = o;
  for (const [name, value] of Object.entries({ concurrency, perTenant: o.perTenant ?? 1 }))
    if (!(Number.isInteger(value) && value > 0)) throw invalid(`work(): ${name} is a whole number above 0, not ${String(value)}.`);
  if (!(Number.isFinite(every) && every > 0 && every <= LONGEST_TIMER))
    throw invalid(`work(): every is a number of milliseconds above 0, not ${String(every)}. Default: ${EVERY}.`);
  ports.resources.assertOpen();
  const loop = new Loop(ports, { concurrency, perTenant, every, onRun, onError });
  const halt = () => loop.halt();
  if (signal?.aborted) halt();
  else signal?.addEventListener('abort', halt, { once: true });
  const shut = () => {
    halt();
    close().catch((error) => heard(onError, [error]));
  };
  if (o.signals) for (const name of SIGNALS) process.once(name, shut);
  const ended = loop.run().finally(() => {
    signal?.removeEventListener('abort', halt);
    // a second signal has its usual effect
    if (o.signals) for (const name of SIGNALS) process.off(name, shut);
  });
  const stop = async () => {
    halt();
    await ended;
    await loop.drained();
  };
  return { stop, idle: () => loop.idle(), state: () => loop.state(), [Symbol.asyncDispose]: stop };
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

const warn = (error: unknown) =>
  process.emitWarning(`work(): ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`, 'RondoWarning');
