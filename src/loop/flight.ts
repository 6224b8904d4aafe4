/**
 * What is under way and not in the journal yet: reserved before it begins, so that two agents side by side cannot both take
 * what is left for one. Kept only below the top, where there is somebody beside.
 */
export class Flight {
  /** Model calls, and the most that they can use. */
  calls = 0;
  tokens = 0;
  /** Unknown once the price of one is. */
  usd: number | undefined = 0;
  /** Tool calls whose start is being written. */
  starts = 0;
  #waiting: (() => void)[] = [];

  add(tokens: number, usd: number | undefined): void {
    this.calls++;
    this.tokens += tokens;
    this.usd = this.usd === undefined || usd === undefined ? undefined : this.usd + usd;
  }

  remove(tokens: number, usd: number | undefined): void {
    this.calls--;
    this.tokens -= tokens;
    // what is left of unknown is nothing
    this.usd = this.calls === 0 ? 0 : this.usd === undefined || usd === undefined ? undefined : this.usd - usd;
    this.changed();
  }

  changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  /** Resolves when something has landed. */
  landed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
