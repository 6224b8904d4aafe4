/** What one part of a run, and all parts below it, have reserved: begun, or about to begin, and not in the journal yet. */
export class Reserved {
  modelCalls = 0;
  /** The most that the model calls can use. */
  tokens = 0;
  /** US dollars; undefined once the price of one is unknown. */
  usd: number | undefined = 0;
  /** Tool calls whose start is being written. */
  toolCalls = 0;
  #waiting: (() => void)[] = [];

  addModelCall(tokens: number, usd: number | undefined): void {
    this.modelCalls++;
    this.tokens += tokens;
    this.usd = this.usd === undefined || usd === undefined ? undefined : this.usd + usd;
  }

  removeModelCall(tokens: number, usd: number | undefined): void {
    this.modelCalls--;
    this.tokens -= tokens;
    // with the last call gone, the sum is known again
    this.usd = this.modelCalls === 0 ? 0 : this.usd === undefined || usd === undefined ? undefined : this.usd - usd;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Resolves when a model call has been released. */
  released(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
