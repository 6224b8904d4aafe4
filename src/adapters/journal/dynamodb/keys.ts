/** The keys of the table's items, see docs/dynamodb.md. Texts are compared by their UTF-8 bytes. */
import { invalid } from '../../../errors.ts';
import { sha256 } from '../../../journal/canonical.ts';
import type { Key } from './client.ts';

/** The attributes that the indexes are by. They have keys only, so what they say is read from the table. */
export const INDEXES = { list: ['l_pk', 'l_sk'], due: ['d_pk', 'd_sk'] } as const;

/** The end of a range of texts with a common prefix. */
export const LAST = '\u{10ffff}';

/** A number as a text of the same order. */
export const ordered = (n: number): string =>
  n < 0
    ? `0${String(Number.MAX_SAFE_INTEGER + Math.max(Math.ceil(n), Number.MIN_SAFE_INTEGER)).padStart(16, '0')}`
    : `1${String(Math.min(Math.floor(n), Number.MAX_SAFE_INTEGER)).padStart(16, '0')}`;

/** A tenant as a part of a key; that of none is another one. */
export const tenantKey = (tenant: string | undefined): string => (tenant === undefined ? '-' : `=${tenant}`);

export const runKey = (runId: string) => `run#${runId}`;
export const headKey = (runId: string): Key => ({ pk: runKey(runId), sk: 'head' });
/** Of an append, by the number of its first entry. */
export const rowKey = (seq: number) => `e#${ordered(seq)}`;
/** What is behind all appends of a partition. */
export const LAST_ROW = `e#${LAST}`;

/** The store's own items. */
export const STORE: Key = { pk: 'store', sk: 'store' };

/** Bytes of a sort key that is kept as it is. A longer one is cut off, and told apart by its hash. */
const KEPT = 900;
/** A text of any length as a sort key. */
export function sortKey(text: string): string {
  if (text.length * 3 <= KEPT || Buffer.byteLength(text) <= KEPT) return `.${text}`;
  let kept = text.slice(0, 220);
  // not half a character
  if (/[\ud800-\udbff]$/.test(kept)) kept = kept.slice(0, -1);
  return `/${kept}#${sha256(text)}`;
}

/** Most bytes of a partition key and a sort key in DynamoDB. */
const LONGEST = { pk: 2_048, sk: 1_024 };
/** @throws RondoError `CONFIG_INVALID` for a name that no key can hold. */
export function checkKey(key: Partial<Record<'pk' | 'sk' | 'l_pk' | 'l_sk' | 'd_pk' | 'd_sk', unknown>>): void {
  for (const [name, most] of [
    ['pk', LONGEST.pk],
    ['l_pk', LONGEST.pk],
    ['d_pk', LONGEST.pk],
    ['sk', LONGEST.sk],
    ['l_sk', LONGEST.sk],
    ['d_sk', LONGEST.sk],
  ] as const) {
    const value = key[name];
    if (typeof value === 'string' && value.length * 3 > most && Buffer.byteLength(value) > most)
      throw invalid('A name is too long for a key of DynamoDB. Use run ids, sessions, tenants and principals of up to 900 bytes together.');
  }
}
