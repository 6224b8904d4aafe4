import type { Outcome } from '../../errors.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { Make } from '../../journal/log.ts';
import { type Reservation, reserveAttempt } from '../budget.ts';
import { limitText } from '../limits.ts';
import type { Scope } from '../types.ts';

/**
 * Counts the attempts of one call that run, where each costs the same. The start of the call has counted the first one, and the entry of each
 * failed attempt that ran counts the next one; the end of the call says whether the last one ran.
 */
export class Meter {
  readonly #scope: Scope;
  readonly #usd: number;
  /** The newest attempt that has begun, that has an entry of its own, and that is known not to have run. */
  entered = 0;
  #written = 0;
  #idle = 0;
  #next: Reservation | undefined;

  constructor(scope: Scope, usd: number) {
    this.#scope = scope;
    this.#usd = usd;
  }

  #ran(attempt: number, outcome: Outcome): boolean {
    return this.entered === attempt && outcome !== 'not-run';
  }

  /** Reserves the next attempt of one that failed. @returns why the limits allow none. */
  against(outcome: Outcome, attempt: number): string | undefined {
    if (this.#usd === 0 || !this.#ran(attempt, outcome)) return undefined;
    const place = reserveAttempt(this.#scope, this.#usd);
    if ('crossed' in place) return `it would cross a limit: ${limitText(place.crossed)}`;
    this.#next = place;
    return undefined;
  }

  /** @returns what the failed attempt cost. */
  failed({ attempt, retryIn }: { attempt: number; retryIn?: number }, outcome: Outcome): { usd: number } | undefined {
    const ran = this.#ran(attempt, outcome);
    if (!ran) this.#idle = attempt;
    if (retryIn === undefined) return undefined;
    this.#written = attempt;
    return ran ? { usd: this.#usd } : undefined;
  }

  /** Appends the entry of a failed attempt, which counts the next one in place of its reservation. */
  counted(draft: Draft): Make {
    return (seq) => {
      this.#next?.countedFrom?.(seq);
      return [{ ...draft }];
    };
  }

  /** What the end of the call says of its last attempt. @param ok it succeeded. */
  last(ok: boolean): { usd: number } {
    this.#next?.release();
    return { usd: ok || this.entered > Math.max(this.#written, this.#idle) ? this.#usd : 0 };
  }
}
