import type { Usage } from '../ports/model.ts';
import type { Price, Rates } from './price.ts';

/**
 * Cost is summed in whole nano-dollars and returned in dollars: sums of doubles drift, integers do not (up to 9 million dollars).
 * A rate of one dollar per million tokens is 1,000 nano-dollars a token.
 */
const NANO = 1e9;
const PER_TOKEN = 1_000;

/**
 * The cost of a model call in US dollars. Undefined, never 0, if the usage, the price, or a rate that the usage needs is unknown.
 */
export function cost(usage: Usage | undefined, price: Price | undefined): number | undefined {
  if (!usage || !price) return undefined;
  const { input, output, cacheRead = 0, cacheWrite = 0 } = usage;
  const rates = ratesFor(price, input + cacheRead + cacheWrite);
  // output includes reasoning
  let nano = input * rates.input + output * rates.output;
  if (cacheRead > 0) nano += cacheRead * (rates.cacheRead ?? Number.NaN);
  if (cacheWrite > 0) nano += cacheWrite * (rates.cacheWrite ?? Number.NaN);
  nano = Math.round(nano * PER_TOKEN);
  return nano >= 0 && Number.isFinite(nano) ? nano / NANO : undefined;
}

/**
 * An upper bound on the tokens and the cost of the next model call. It assumes one token per new byte, the highest input rate for all
 * input, and an output of `maxOutput` tokens.
 * @param o.measuredTokens input and output tokens of the last call. All of them are input now.
 * @param o.newBytes bytes added to the conversation since the last call.
 * @param o.maxOutput tokens.
 * @returns `usd` is undefined if the price is unknown.
 */
export function reserve(
  o: { measuredTokens: number; newBytes: number; maxOutput: number },
  price: Price | undefined,
): { tokens: number; usd: number | undefined } {
  const input = o.measuredTokens + o.newBytes;
  const tokens = input + o.maxOutput;
  if (!price) return { tokens, usd: undefined };
  // there may be fewer tokens than bytes, and so the rates of a shorter request
  const rates: Rates[] = price.long && input > price.long.over ? [price, price.long] : [price];
  const dearest = Math.max(...rates.flatMap(({ input, cacheRead = 0, cacheWrite = 0 }) => [input, cacheRead, cacheWrite]));
  const output = Math.max(...rates.map((one) => one.output));
  // rounding up keeps it an upper bound: the rounding error of doubles is far below a nano-dollar
  const nano = Math.ceil((input * dearest + o.maxOutput * output) * PER_TOKEN);
  return { tokens, usd: nano / NANO };
}

const ratesFor = (price: Price, input: number): Rates => (price.long && input > price.long.over ? price.long : price);
