/** The longest delay of `setTimeout` in milliseconds, about 24.9 days. A longer one would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/** A timeout of any length. It keeps the process alive until it fires or is cleared. */
export class Timer {
  #handle: NodeJS.Timeout;
  #left: number;
  readonly #ring: () => void;

  constructor(ms: number, ring: () => void) {
    this.#ring = ring;
    this.#left = ms - LONGEST_TIMER;
    this.#handle = setTimeout(next, this.#left > 0 ? LONGEST_TIMER : ms, this);
  }

  /** It does nothing once the timer has fired. */
  clear(): void {
    clearTimeout(this.#handle);
  }

  /** Starts the next timeout for the rest of the delay. */
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

/** Resolves after `ms` milliseconds, by the global timers, which a test may fake. @throws the reason of the signal */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
