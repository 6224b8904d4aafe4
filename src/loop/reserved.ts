import { usedOf } from '../journal/fold/amounts.ts';

/** A call that starts, or is tried again. The sums of the run have it once the entry of this number is applied. */
export interface Starting {
  readonly calls: number;
  readonly millionths: { readonly [unit: string]: number } | undefined;
  /** What the call, or its next attempt, costs, in billionths of a US dollar. */
  readonly nanoUsd: number;
  seq: number;
}

/** The reservations of a frame and all frames below it: calls that are starting or running, whose cost is not in the journal yet. */
export class Reserved {
  modelCalls = 0;
  /** Upper bound on the tokens of the reserved model calls. */
  tokens = 0;
  /** Upper bound in US dollars; undefined while a call with an unknown price is reserved. */
  usd: number | undefined = 0;
  /** Tool calls and durable steps whose start is being appended, or was appended just now. */
  readonly starting = new Set<Starting>();
  #waiting: (() => void)[] = [];

  addModelCall(tokens: number, usd: number | undefined): void {
    this.modelCalls++;
    this.tokens += tokens;
    this.usd = this.usd === undefined || usd === undefined ? undefined : this.usd + usd;
  }

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
