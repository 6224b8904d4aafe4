/** The reservations of a frame and all frames below it: calls that are starting or running, whose cost is not in the journal yet. */
export class Reserved {
  modelCalls = 0;
  /** Upper bound on the tokens of the reserved model calls. */
  tokens = 0;
  /** Upper bound in US dollars; undefined while a call with an unknown price is reserved. */
  usd: number | undefined = 0;
  /** Tool calls whose start is being appended. */
  toolCalls = 0;
  /** The amounts of those calls, in millionths, by unit. */
  readonly millionths: { [unit: string]: number } = {};
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

  /** Resolves when a model call is released. */
  released(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
