/** US dollars per million tokens. */
export interface Rates {
  input: number;
  output: number;
  /** If absent, the cost of a call with such tokens is unknown. */
  cacheRead?: number;
  cacheWrite?: number;
}

export interface Price extends Rates {
  /** Rates for all tokens of a request whose input, cached tokens included, is over `over` tokens. */
  long?: Rates & { over: number };
  /** Tokens of a prefix below which the provider caches nothing. If absent, it is unknown. */
  cacheFrom?: number;
  /** Where the price was read. */
  source: string;
  /** The day on which the source says that the price was valid, `YYYY-MM-DD`. */
  date: string;
}
