/**
 * The dollars of a benchmark.
 *
 * I1. What is spent and what is reserved together never exceed the budget.
 */

/** Dollars that something which runs may spend. */
export interface Share {
  /** Undefined without a budget: any amount. */
  readonly usd: number | undefined;
  /** Gives back what was not spent. An unknown cost counts as all of it. */
  settle(spent: number | null): void;
}

const NANO = 1e9;
/** Rounded, because 1.005 dollars times 1e9 are a little less than the whole number: a limit would come back as a smaller one. */
const nanoOf = (usd: number) => Math.round(usd * NANO);

/** Whole nano-dollars, because sums of doubles drift. */
export class Purse {
  readonly #budget: number | undefined;
  #spent = 0;
  #reserved = 0;
  /** Shares that are not settled. */
  #open = 0;
  #waiting: (() => void)[] = [];

  constructor(budget: number | undefined) {
    this.#budget = budget === undefined ? undefined : nanoOf(budget);
  }

  get spentUsd(): number {
    return this.#spent / NANO;
  }

  /**
   * Reserves dollars, and waits while others that run may still give some back.
   * @param most what the run may cost at most. Undefined: an equal share of what is left, for those of `running` at the same time that
   *   have none yet.
   * @returns undefined if the budget is used up.
   */
  async reserve(most: number | undefined, running: number): Promise<Share | undefined> {
    if (this.#budget === undefined) return this.#share(most === undefined ? undefined : nanoOf(most));
    for (;;) {
      const left = this.#budget - this.#spent - this.#reserved;
      const wanted = most === undefined ? Math.floor(left / Math.max(1, running - this.#open)) : nanoOf(most);
      if (wanted > 0 && wanted <= left) return this.#share(wanted);
      if (wanted === 0 && most !== undefined) return this.#share(0);
      if (this.#reserved === 0) return undefined;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #share(nano: number | undefined): Share {
    this.#reserved += nano ?? 0;
    this.#open++;
    let settled = false;
    return {
      usd: nano === undefined ? undefined : nano / NANO,
      settle: (spent) => {
        if (settled) return;
        settled = true;
        this.#reserved -= nano ?? 0;
        this.#open--;
        this.#spent += spent === null ? (nano ?? 0) : nanoOf(spent);
        for (const wake of this.#waiting.splice(0)) wake();
      },
    };
  }
}
