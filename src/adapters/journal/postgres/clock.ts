/**
 * The clock of the server, by the monotonic clock of this process, because its wall clock may be off. It is told from answers, as if the whole
 * time of a statement was spent on the way back: so it is never ahead of the server, and behind it by the time of the quickest answer at most.
 */
export class StoreClock {
  /** Server time minus monotonic time, in milliseconds, and when it was found. */
  #offset = Number.NEGATIVE_INFINITY;
  #found = Number.NEGATIVE_INFINITY;
  /** When the last answer came, by both clocks of this process. */
  #monotonic = Number.NEGATIVE_INFINITY;
  #wall = 0;
  #last = 0;

  /** An answer came. @param told the time in it. */
  sample(told: number): void {
    const now = performance.now();
    const offset = told - now;
    if (offset >= this.#offset || now - this.#found > FRESH || this.#offset - offset > SET) {
      this.#offset = offset;
      this.#found = now;
    }
    this.#monotonic = now;
    this.#wall = Date.now();
  }

  /** Epoch milliseconds; undefined if no answer is new enough, or this process was suspended since. */
  read(): number | undefined {
    const now = performance.now();
    const since = now - this.#monotonic;
    if (since > FRESH || Math.abs(Date.now() - this.#wall - since) > SUSPENDED) return undefined;
    const time = Math.floor(now + this.#offset);
    // it goes back only if the server's was set back
    if (time < this.#last && this.#last - time < SET) return this.#last;
    this.#last = time;
    return time;
  }
}

/** Milliseconds for which an answer tells the time. */
const FRESH = 10_000;
/** How much the wall clock may differ from the monotonic one since the answer. */
const SUSPENDED = 500;
/** A difference that says that the server's clock was set, and not that an answer was slow. */
const SET = 1_000;
