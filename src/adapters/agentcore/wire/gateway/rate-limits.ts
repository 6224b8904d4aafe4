/** What a rate limit of a gateway is, and what of it the service refuses. */
import { refused } from '../codec/error.ts';

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
export const ANY = '*';

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
    if (connections?.some(({ period }) => period !== 'second')) throw refused('The period of connections is second.');
    if (tokens?.some(({ period }) => period !== 'minute')) throw refused('The period of tokens is minute.');
  }
}
