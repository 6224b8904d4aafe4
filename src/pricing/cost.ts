import type { Usage } from '../ports/model.ts';
import type { Price, Rates } from './price.ts';

/**
 * Money is counted in whole nano-dollars and shown in dollars: sums of doubles drift, integers do not (up to 9 million dollars).
 * A rate of one dollar per million tokens is 1,000 nano-dollars a token.
 */
const NANO = 1e9;
const PER_TOKEN = 1_000;

/**
 * What a model call cost, in US dollars. Undefined, never 0, where the price or the usage is not known, or a rate that the
 * usage needs.
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
 * The most that the next model call can take: every byte that was not measured yet is at most one token, all input is charged
 * at its dearest rate, and the whole output limit is used.
 * @param o.measuredTokens input and output tokens that the last call reported: all of that is input now.
 * @param o.newBytes bytes added since.
 * @param o.maxOutput tokens.
 * @returns dollars left out where the price is not known.
 */
export function reserve(
  o: { measuredTokens: number; newBytes: number; maxOutput: number },
  price: Price | undefined,
): { tokens: number; usd: number | undefined } {
  const input = o.measuredTokens + o.newBytes;
  const tokens = input + o.maxOutput;
  if (!price) return { tokens, usd: undefined };
  const rates = ratesFor(price, input);
  const dearest = Math.max(rates.input, rates.cacheRead ?? 0, rates.cacheWrite ?? 0);
  // what rounding in doubles may have taken away is far below a nano-dollar: up is enough
  const nano = Math.ceil((input * dearest + o.maxOutput * rates.output) * PER_TOKEN);
  return { tokens, usd: nano / NANO };
}

const ratesFor = (price: Price, input: number): Rates => (price.long && input > price.long.over ? price.long : price);
