import { usedOf } from '../journal/fold/amounts.ts';

/** A call that starts, or is tried again. The sums of the run have it once the entry of this number is applied. */
export interface Starting {
  /** 1 for a tool call. 0 for a durable step, and for one more attempt of a call that is counted already. */
  readonly calls: number;
  /** Millionths of the amounts, by unit; undefined: none. */
  readonly millionths: { readonly [unit: string]: number } | undefined;
  /** What the call, or its next attempt, costs, in billionths of a US dollar. */
  readonly nanoUsd: number;
  /** Infinity for an attempt whose entry is not made yet. */
  seq: number;
}

/** The reservations of a frame and all frames below it: calls that are starting or running, whose cost is not in the journal yet. */
export class Reserved {
  /** Model calls that are reserved and not released yet. */
  modelCalls = 0;
  /** Upper bound on the tokens of the reserved model calls. */
  tokens = 0;
  /** Upper bound in US dollars; undefined while a call with an unknown price is reserved. */
  usd: number | undefined = 0;
  /** Tool calls and durable steps whose start is being appended, or was appended just now. */
  readonly starting = new Set<Starting>();
  #waiting: (() => void)[] = [];

  /** The bounds of one call: tokens, and US dollars, or undefined for an unknown price. */
  addModelCall(tokens: number, usd: number | undefined): void {
    this.modelCalls++;
    this.tokens += tokens;
    this.usd = this.usd === undefined || usd === undefined ? undefined : this.usd + usd;
  }

  /** Takes the bounds that the call was added with, and wakes all that wait for a release. */
  removeModelCall(tokens: number, usd: number | undefined): void {
    this.modelCalls--;
    this.tokens -= tokens;
    // without calls the sum is known again
    this.usd = this.modelCalls === 0 ? 0 : this.usd === undefined || usd === undefined ? undefined : this.usd - usd;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Tool calls that start. @param next the number of the run's next entry: what has started before it is in its sums. */
  toolCalls(next: number): number {
    return this.#sum(next, ({ calls }) => calls);
  }

  /** Millionths of the calls that start. */
  amount(unit: string, next: number): number {
    return this.#sum(next, ({ millionths }) => usedOf({ millionths }, unit));
  }

  /** Billionths of a US dollar of the calls that start. */
  nanoUsd(next: number): number {
    return this.#sum(next, (one) => one.nanoUsd);
  }

  #sum(next: number, of: (one: Starting) => number): number {
    let sum = 0;
    for (const one of this.starting) if (one.seq >= next) sum += of(one);
    return sum;
  }

  /** Resolves when a model call is released. */
  released(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
