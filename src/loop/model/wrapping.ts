import { Timer } from '../../reliability/timer.ts';
import type { StepInfo } from '../middleware.ts';
import type { Scope } from '../types.ts';

/** Milliseconds for wrappers around a call without a timeout. */
const MOST = 300_000;

/** What a wrapper is told about the step. */
export const infoOf = ({ run, agent, frame }: Scope, step: number): StepInfo => ({
  runId: run.runId,
  agent: agent.name,
  path: frame.path,
  ...(frame.id !== '' && { frame: frame.id }),
  step,
  session: run.started.session,
  context: run.started.context ?? {},
});

/**
 * Limits the time that `use` wrappers take besides the call inside, which has its own timeout. After the end, `next` starts nothing.
 */
export class Wrapping {
  /** Rejects when the wrappers take too long. */
  readonly late: Promise<never>;
  readonly #ms: number;
  readonly #what: string;
  #reject: (error: Error) => void = () => {};
  #timer: Timer | undefined;
  #inside = 0;
  #over = false;
  /** Whether the wrappers awaited something before they called `next`. Another process may have claimed the run meanwhile. */
  waited = false;

  /** @param bound the time limit of the call inside: the deadline of all attempts, else the timeout of one. */
  constructor(what: string, { deadline, timeout }: { deadline?: number | undefined; timeout?: number | undefined }) {
    this.#what = what;
    this.#ms = deadline ?? timeout ?? MOST;
    this.late = new Promise((_, reject) => {
      this.#reject = reject;
    });
    this.late.catch(() => undefined);
    this.#arm();
  }

  #arm(): void {
    if (this.#ms === Number.POSITIVE_INFINITY) return;
    this.#timer = new Timer(this.#ms, () => this.#reject(new Error(`${this.#what} did not answer within ${this.#ms} ms`)));
  }

  /** Runs the innermost `next`. If a wrapper does not await it, its failure must not become an unhandled rejection. */
  inside<T>(f: () => Promise<T>): Promise<T> {
    const doing = this.#enter(f);
    doing.catch(() => undefined);
    return doing;
  }

  async #enter<T>(f: () => Promise<T>): Promise<T> {
    if (this.#over) throw new Error('next() was called after the call had ended, so nothing was begun');
    this.#timer?.clear();
    this.#inside++;
    try {
      return await f();
    } finally {
      if (--this.#inside === 0 && !this.#over) this.#arm();
    }
  }

  /** Stops the clock. A later `next` throws and starts nothing. */
  end(): void {
    this.#over = true;
    this.#timer?.clear();
  }
}
