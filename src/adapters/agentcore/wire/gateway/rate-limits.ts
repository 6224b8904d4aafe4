/** What a rate limit of a gateway is, and what of it the service refuses. */
import { type RateLimit as Counted, RateLimits } from '../../../gateway/rate-limits.ts';
import { AwsError, refused } from '../codec/error.ts';

export interface Rate {
  rate: number;
  period: 'second' | 'minute';
}

export interface LimitEntry {
  dimensions: Readonly<Record<string, string>>;
  requests?: readonly Rate[];
  tokens?: readonly Rate[];
  connections?: readonly Rate[];
}

/** As it is created and put: its keys never change. */
export interface LimitSettings {
  dimensionKeys: readonly string[];
  entries: readonly LimitEntry[];
  description?: string;
}

export interface RateLimit extends LimitSettings {
  id: string;
  createdAt: Date;
  updatedAt: Date;
  until: 'CREATING' | 'UPDATING';
  readyAt: number;
  goneAt?: number;
}

/** In place of a value: all values that no entry names. */
const ANY = '*';

/** @throws AwsError `ValidationException`. */
export function checkLimit({ dimensionKeys, entries }: LimitSettings): void {
  if (new Set(dimensionKeys).size < dimensionKeys.length) throw refused('The dimensionKeys of a rate limit differ from each other.');
  const seen = new Set<string>();
  for (const { dimensions, requests, tokens, connections } of entries) {
    const keys = Object.keys(dimensions);
    if (keys.length !== dimensionKeys.length || !dimensionKeys.every((key) => Object.hasOwn(dimensions, key)))
      throw refused(`The dimensions of each entry are those of the rate limit: ${dimensionKeys.join(', ')}.`);
    const values = dimensionKeys.map((key) => dimensions[key] as string);
    const any = values.indexOf(ANY);
    if (any >= 0 && values.slice(any).some((value) => value !== ANY)) throw refused(`"${ANY}" stands for the last dimensions alone.`);
    const place = JSON.stringify(values);
    if (seen.has(place)) throw refused(`Two entries have the dimensions ${values.join(', ')}.`);
    seen.add(place);
    if (!requests && !tokens && !connections) throw refused('An entry has requests, tokens or connections.');
    if (requests?.some(({ rate }) => rate === 0))
      throw new AwsError('NotImplementedException', 'This server does not execute a rate of 0.');
    if (connections?.some(({ period }) => period !== 'second')) throw refused('The period of connections is second.');
    if (tokens?.some(({ period }) => period !== 'minute')) throw refused('The period of tokens is minute.');
  }
}

/** Dimensions by what a call is asked for. What is not here, such as a model of an inference target, limits nothing. */
const COUNTED: Readonly<Record<string, string>> = { targetName: 'targetName', toolName: 'toolName', '$.context.iam.principal': 'user' };
const CLAIM = '$.context.jwt.';
const countedKey = (key: string) => (key.startsWith(CLAIM) ? `claims.${key.slice(CLAIM.length)}` : COUNTED[key]);

/** Milliseconds until all of a gateway knows a change. */
export const SPREADS = 30_000;

/** The limits of requests that are in force, to be counted: those that are not new, as they were changed last. */
function inForce(limits: readonly RateLimit[], now: number): Counted[] {
  return limits.flatMap(({ goneAt, createdAt, dimensionKeys, entries }) => {
    const keys = dimensionKeys.flatMap((key) => countedKey(key) ?? []);
    const isNew = now < createdAt.getTime() + SPREADS;
    if (goneAt !== undefined || isNew || keys.length < dimensionKeys.length) return [];
    const counted = entries.flatMap(({ dimensions, requests }) => {
      const own = Object.fromEntries(Object.entries(dimensions).map(([key, value]) => [countedKey(key) as string, value]));
      return requests ? [{ dimensions: own, requests }] : [];
    });
    return [{ dimensionKeys: keys, entries: counted }];
  });
}

/** Counts requests of gateways. Limits that stay as they are go on counting. */
export function rateCounters(now: () => number): (gateway: string, limits: readonly RateLimit[]) => RateLimits | undefined {
  const known = new Map<string, { key: string; counter: RateLimits | undefined }>();
  return (gateway, limits) => {
    const counted = inForce(limits, now());
    const key = JSON.stringify(counted);
    const before = known.get(gateway);
    if (before?.key === key) return before.counter;
    const counter = counted.length > 0 ? new RateLimits(counted, now, before?.counter) : undefined;
    known.set(gateway, { key, counter });
    return counter;
  };
}
