/** US dollars per million tokens. */
export interface Rates {
  input: number;
  output: number;
  /** Left out where it is not known: then usage with such tokens has no known cost. */
  cacheRead?: number;
  cacheWrite?: number;
}

export interface Price extends Rates {
  /** For a request whose input, cached tokens included, is over so many tokens: the rates of all its tokens. */
  long?: Rates & { over: number };
  /** Where the price was read. */
  source: string;
  /** The day for which the source vouches, `YYYY-MM-DD`. */
  date: string;
}
