/** What calls of tools cost. */
import { invalid } from '../../errors.ts';
import type { Charge } from '../../journal/entries/intent.ts';
import { isCost } from '../../journal/fold/spent.ts';
import { bounded, type Mask, messageOf } from '../../reliability/classify.ts';
import { atOnce } from '../../reliability/patience.ts';
import type { AnyToolOptions } from '../types.ts';

type Charging = { readonly name: string; readonly options: Pick<AnyToolOptions, 'cost'> };

/** What a result cost by the function of its tool. Never throws, because the tool has succeeded: then the cost is unknown. */
export function chargeOf({ name, options: { cost } }: Charging, output: unknown, mask: Mask): Charge {
  if (typeof cost !== 'function') return {};
  try {
    const usd: unknown = atOnce(cost(output));
    return isCost(usd) ? { usd } : unknown(`the cost of ${name} is ${String(usd)}, and not US dollars from 0 to 1e9`);
  } catch (error) {
    return unknown(`the cost of ${name} could not be found out: ${messageOf(error, mask)}`);
  }
}

const unknown = (why: string): Charge => ({
  unpriced: { code: 'COST_INVALID', message: bounded(`${why}. Its result counts, and the cost of the run is unknown from here on.`) },
});

/** Of a call that ends too late: a number was counted when it began. */
export const lateCharge = ({ options }: Charging, { usd, unpriced }: Charge): Charge =>
  typeof options.cost === 'function' ? { ...(usd !== undefined && { usd }), ...(unpriced && { unpriced }) } : { usd: undefined };

/** @throws RondoError `CONFIG_INVALID` for a cost that is neither US dollars nor a function. @param where the declaration, for the message. */
export function checkCost(cost: unknown, where: string): void {
  if (cost !== undefined && typeof cost !== 'function' && !isCost(cost))
    throw invalid(`${where}: cost is ${String(cost)}; it is US dollars from 0 to 1e9, or a function of the output: cost: 0.005.`);
}

/** The charges of several calls of one tool together. */
export function sumOf(charges: readonly Charge[]): Charge {
  const sum: Charge = {};
  for (const { usd, unpriced } of charges) {
    if (usd !== undefined) sum.usd = (sum.usd ?? 0) + usd;
    if (unpriced) sum.unpriced ??= unpriced;
  }
  return sum;
}
