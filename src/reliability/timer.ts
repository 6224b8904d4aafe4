/** The longest delay `setTimeout` can hold, about 24.9 days. It fires a longer one at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** A timeout of any length. It keeps the process alive until it rings or is cleared. */
export class Timer {
  #handle: NodeJS.Timeout;
  #left: number;
  readonly #ring: () => void;

  constructor(ms: number, ring: () => void) {
    this.#ring = ring;
    this.#left = ms - LONGEST_TIMER;
    this.#handle = setTimeout(next, this.#left > 0 ? LONGEST_TIMER : ms, this);
  }

  clear(): void {
    clearTimeout(this.#handle);
  }

  /** Goes on with what the last timeout could not hold. */
  static next(timer: Timer): void {
    const left = timer.#left;
    if (left <= 0) {
      timer.#ring();
      return;
    }
    timer.#left = left - LONGEST_TIMER;
    timer.#handle = setTimeout(next, Math.min(left, LONGEST_TIMER), timer);
  }
}

const next = Timer.next;
