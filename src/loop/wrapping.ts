import { Timer } from '../reliability/timer.ts';

/** Milliseconds for wrappers around what has no timeout. */
const MOST = 300_000;

/**
 * Bounds the time that `use` wrappers take for themselves, before, between and after what is inside them, which has bounds of its own.
 * Once it is over they can begin nothing any more.
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
  /** Whether the wrappers have waited for something before they asked for what is inside: then the run may have been lost. */
  waited = false;

  /** @param bound of what is inside: all its attempts, or else one of them. */
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

  /** What the innermost `next` does. A wrapper may leave it behind: its failure must not end the process. */
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

  end(): void {
    this.#over = true;
    this.#timer?.clear();
  }
}
