/** Rate limits of a gateway: a bucket for each combination of values, which fills again as time passes. */
import { invalid } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import { checkOptions, hint } from '../../options.ts';

export interface Rate {
  /** Requests, 1 or more. */
  rate: number;
  period: 'second' | 'minute';
}

/** A limit by what its keys are for a call. Each combination of values is counted by itself. */
export interface RateLimit {
  /** `targetName`, `toolName` (its name in the target), `user`, `tenant`, `session`, or `claims.<name>` of the caller. A call without such a value is not limited. */
  dimensionKeys: readonly string[];
  /** The entry that names the most values of the call decides; of two, the one that names the earlier key. */
  entries: readonly {
    /** A key that is absent, or `*`, stands for every value. */
    dimensions?: { readonly [key: string]: string };
    /** All of them hold. */
    requests: readonly Rate[];
  }[];
}

/** The limit that a request would exceed. `retryAfter` is in seconds, 1 or more. */
export interface Exceeded {
  limitKey: string;
  metric: 'requests';
  retryAfter: number;
}

type Values = (key: string) => string | undefined;

const PERIOD = { second: 1_000, minute: 60_000 };
/** Sums of parts of requests are not exact. */
const SLACK = 1e-6;
/** Buckets that are kept. The one that was used least recently is forgotten, which only admits more. */
const MOST = 10_000;

interface Bucket {
  left: number;
  at: number;
}

/** Counts requests. It never throws: what cannot be counted is admitted. */
export class RateLimits {
  readonly #limits: readonly { readonly limit: RateLimit; readonly id: string }[];
  readonly #now: () => number;
  readonly #buckets: Map<string, Bucket>;

  /** @param now epoch milliseconds. @param before those that these replace: what is the same limit goes on counting. */
  constructor(limits: readonly RateLimit[], now: () => number = Date.now, before?: RateLimits) {
    const texts = limits.map((limit) => JSON.stringify(limit));
    const times = (i: number) => texts.slice(0, i).filter((text) => text === texts[i]).length;
    this.#limits = limits.map((limit, i) => ({ limit, id: sha256(`${times(i)} ${texts[i]}`) }));
    this.#now = now;
    this.#buckets = new Map(before ? before.#buckets : []);
  }

  /** Takes one request. @returns the limit that refuses it; then nothing is counted. */
  take(values: Values): Exceeded | undefined {
    try {
      const now = this.#now();
      if (!Number.isFinite(now)) return undefined;
      const taken: Bucket[] = [];
      let worst: Exceeded | undefined;
      for (const { limit, id } of this.#limits) {
        const own = limit.dimensionKeys.map((key) => values(key));
        if (own.some((value) => value === undefined)) continue;
        const rates = mostSpecific(limit, own as string[])?.requests ?? [];
        const limitKey = limit.dimensionKeys.map((key, k) => `${key}=${own[k]}`).join(',');
        for (const [k, { rate, period }] of rates.entries()) {
          // a digest: callers choose some of the values, and how long they are
          const bucket = this.#filled(sha256(JSON.stringify([id, k, ...own])), rate, PERIOD[period], now);
          taken.push(bucket);
          const retryAfter = Math.max(1, Math.ceil(((1 - bucket.left) * PERIOD[period]) / rate / 1_000 - SLACK));
          if (bucket.left < 1 - SLACK && (!worst || retryAfter > worst.retryAfter)) worst = { limitKey, metric: 'requests', retryAfter };
        }
      }
      if (worst) return worst;
      for (const bucket of taken) bucket.left--;
      return undefined;
    } catch (error) {
      process.emitWarning(`A rate limit could not be counted, so the call is admitted: ${String(error)}`, 'RondoWarning');
      return undefined;
    }
  }

  #filled(key: string, rate: number, period: number, now: number): Bucket {
    const bucket = this.#buckets.get(key) ?? { left: rate, at: now };
    // a clock that goes back adds nothing
    bucket.left = Math.min(rate, bucket.left + (Math.max(0, now - bucket.at) * rate) / period);
    bucket.at = now;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > MOST) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return bucket;
  }
}

function mostSpecific({ dimensionKeys, entries }: RateLimit, own: readonly string[]): RateLimit['entries'][number] | undefined {
  let best: RateLimit['entries'][number] | undefined;
  let most = '';
  for (const entry of entries) {
    const named = dimensionKeys.map((key) => entry.dimensions?.[key] ?? '*');
    if (!named.every((value, i) => value === '*' || value === own[i])) continue;
    const count = named.filter((value) => value !== '*').length;
    const rank = `${String(count).padStart(3, '0')} ${named.map((value) => (value === '*' ? 0 : 1)).join('')}`;
    if (!best || rank > most) [best, most] = [entry, rank];
  }
  return best;
}

const KEYS = ['targetName', 'toolName', 'user', 'tenant', 'session'];
const LIMIT = { dimensionKeys: "dimensionKeys: ['user']", entries: "entries: [{ requests: [{ rate: 10, period: 'minute' }] }]" };
const ENTRY = { dimensions: "dimensions: { user: 'ana' }", requests: "requests: [{ rate: 10, period: 'minute' }]" };
const RATE = { rate: 'rate: 10', period: "period: 'minute'" };

/** @throws RondoError `CONFIG_INVALID`. */
export function checkRateLimits(limits: unknown, where: string): void {
  if (!Array.isArray(limits)) throw invalid(`${where} is a list: [{ ${LIMIT.dimensionKeys}, ${LIMIT.entries} }].`);
  for (const limit of limits as RateLimit[]) {
    checkOptions(limit, LIMIT, where);
    const { dimensionKeys, entries } = limit;
    if (!Array.isArray(dimensionKeys) || new Set(dimensionKeys).size !== dimensionKeys.length)
      throw invalid(`${where}: dimensionKeys is a list of different keys: ${LIMIT.dimensionKeys}.`);
    for (const key of dimensionKeys as string[])
      if (!KEYS.includes(key) && !/^claims\../.test(key))
        throw invalid(`${where}: there is no dimension "${key}". ${hint(String(key), [...KEYS, 'claims.<name>'])}`);
    if (!Array.isArray(entries)) throw invalid(`${where}: entries is a list: ${LIMIT.entries}.`);
    for (const entry of entries as RateLimit['entries'][number][]) {
      checkOptions(entry, ENTRY, where);
      for (const [key, value] of Object.entries(entry.dimensions ?? {}))
        if (!dimensionKeys.includes(key) || typeof value !== 'string')
          throw invalid(
            `${where}: an entry has the dimension "${key}", a text, and dimensionKeys are ${dimensionKeys.join(', ') || 'none'}.`,
          );
      if (!Array.isArray(entry.requests) || entry.requests.length === 0) throw invalid(`${where}: an entry has ${ENTRY.requests}.`);
      for (const rate of entry.requests) {
        checkOptions(rate, RATE, where);
        if (!(Number.isFinite(rate.rate) && rate.rate >= 1))
          throw invalid(`${where}: rate is ${rate.rate}; it is a number of requests, 1 or more.`);
        if (!Object.hasOwn(PERIOD, rate.period)) throw invalid(`${where}: period is "${rate.period}"; it is "second" or "minute".`);
      }
    }
  }
}
