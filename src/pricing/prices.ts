import { invalid } from '../errors.ts';
import { checkOptions } from '../options.ts';
import type { Price, Rates } from './price.ts';
import { BEDROCK, US } from './price-table.ts';

/** By model key `provider/id`, or by a prefix of one followed by `*`. */
export type Prices = Readonly<Record<string, Price>>;

const FREE: Price = Object.freeze({ input: 0, output: 0, cacheRead: 0, cacheWrite: 0, source: 'no model', date: '2026-11-21' });
const known = new Map<string, Price | undefined>();

/**
 * The price of a model, by its key `provider/id`; undefined if it is unknown.
 * The exact override wins, then the longest matching override with `*`, then the table. Look it up once per model, not per call.
 */
export function price(model: string, overrides?: Prices): Price | undefined {
  const own = overrides && override(model, overrides);
  if (own) return own;
  if (!known.has(model)) {
    // bounds the cache: a process uses few models, but a caller may pass a new id for every call
    if (known.size > 1_000) known.clear();
    known.set(model, lookUp(model));
  }
  return known.get(model);
}

function override(model: string, overrides: Prices): Price | undefined {
  if (Object.hasOwn(overrides, model)) return overrides[model];
  let best: string | undefined;
  for (const key of Object.keys(overrides))
    if (key.endsWith('*') && model.startsWith(key.slice(0, -1)) && key.length > (best?.length ?? 0)) best = key;
  return best === undefined ? undefined : overrides[best];
}

const RATES = { input: 'input: 1', output: 'output: 4', cacheRead: 'cacheRead: 0.1', cacheWrite: 'cacheWrite: 1.25' } satisfies Record<
  keyof Rates,
  string
>;
const LONG = { ...RATES, over: 'over: 200_000' } satisfies Record<keyof NonNullable<Price['long']>, string>;
const PRICE = {
  ...RATES,
  long: 'long: { over: 200_000, input: 2, output: 8 }',
  cacheFrom: 'cacheFrom: 1_024',
  source: "source: 'our contract'",
  date: "date: '2026-11-01'",
} satisfies Record<keyof Price, string>;

/**
 * Checks prices from the configuration.
 * @throws RondoError `CONFIG_INVALID` if a rate is missing, misspelt, negative or not a number: a dollar limit would never stop a run.
 */
export function checkPrices(overrides: Prices): Prices {
  if (typeof overrides !== 'object' || overrides === null || Array.isArray(overrides))
    throw invalid(`prices are given by model: { 'openai/gpt-x': { ${RATES.input}, ${RATES.output}, ${PRICE.source}, ${PRICE.date} } }.`);
  for (const [key, entry] of Object.entries(overrides)) {
    const where = `The price of '${key}'`;
    const bad = wrongRate(entry, 'input', 'output') ?? (entry.long && wrongRate(entry.long, 'input', 'output', 'over'));
    if (bad)
      throw invalid(`${where} needs '${bad}': US dollars per million tokens, a number of 0 or more.`, {
        details: { key, rate: bad },
      });
    checkOptions(entry, PRICE, where);
    if (entry.long !== undefined) checkOptions(entry.long, LONG, `${where}, long`);
    if (entry.cacheFrom !== undefined && !(entry.cacheFrom >= 0))
      throw invalid(`${where} has cacheFrom ${entry.cacheFrom}: tokens of the least prefix that is cached, a number of 0 or more.`);
  }
  return overrides;
}

function wrongRate(rates: Rates, ...required: string[]): string | undefined {
  const given = rates as unknown as Record<string, unknown>;
  const names = [...required, ...['cacheRead', 'cacheWrite'].filter((name) => given?.[name] !== undefined)];
  return names.find((name) => {
    const rate = given?.[name];
    return typeof rate !== 'number' || !Number.isFinite(rate) || rate < 0;
  });
}

/** The keys of the models in the table: by the id that costs least, which is that of `global.` where there is one. */
export const pricedModels = (): string[] =>
  Object.entries(BEDROCK).map(([name, { factor }]) => `bedrock/${Object.hasOwn(factor, 'global.') ? 'global.' : ''}${name}`);

const PREFIX = /^(?:us-gov|us|eu|apac|au|jp|ca|in|global)\./;
const ARN = /^bedrock\/arn:([^:]*):bedrock:([^:]*):/;
/** Release date and version, as in `-20251001-v1:0`, `-v1`, `-2502-v1:0`. */
const VERSION = /(?:-\d{8})?(?:-v\d+)?(?::\d+)?$/;

function lookUp(model: string): Price | undefined {
  const slash = model.indexOf('/');
  const provider = model.slice(0, slash);
  if (provider === 'scripted' || provider === 'standin') return FREE;
  if (provider !== 'bedrock') return undefined;
  // an ARN ends in the model id; the ARN of an application inference profile does not, so it has no price here
  const id = model.slice(model.lastIndexOf('/') + 1);
  const prefix = PREFIX.exec(id)?.[0] ?? '';
  const name = id.slice(prefix.length).replace(VERSION, '');
  const row = Object.hasOwn(BEDROCK, name) ? BEDROCK[name] : undefined;
  const factor = row && Object.hasOwn(row.factor, prefix) ? row.factor[prefix] : undefined;
  if (!row || factor === undefined) return undefined;
  // an id does not say where it is called, but an ARN does: in its region, or in another cloud of AWS, the price may be another one
  const [, partition, region = ''] = ARN.exec(model) ?? [];
  if (partition !== undefined && (partition !== 'aws' || (row.factor === US && !region.startsWith('us-')))) return undefined;
  const { long, cacheFrom } = row;
  return Object.freeze({
    ...scaled(row.rates, factor),
    ...(long && { long: Object.freeze({ over: long.over, ...scaled(long.rates, factor) }) }),
    ...(cacheFrom !== undefined && { cacheFrom }),
    ...row.from,
  });
}

function scaled([input, output, cacheRead, cacheWrite]: (typeof BEDROCK)[string]['rates'], factor: number): Rates {
  // removes the rounding error of a factor such as 1.1
  const times = (rate: number) => Math.round(rate * factor * 1e9) / 1e9;
  return {
    input: times(input),
    output: times(output),
    ...(cacheRead === undefined ? {} : { cacheRead: times(cacheRead) }),
    ...(cacheWrite === undefined ? {} : { cacheWrite: times(cacheWrite) }),
  };
}
