/** Rows of appended texts, to a run or to a record. What no item can hold is split over several. */
import type { Access, Write } from './access.ts';
import { MOST_BYTES, sizeOf } from './access.ts';
import type { Key, Row } from './client.ts';
import { LAST_ROW, ordered, rowKey } from './keys.ts';

/** Bytes of a text that one item holds: an item of DynamoDB has 400 KB at most, with its names. */
const PART = 350_000;
/** Writes of content in a transaction, and their bytes, beyond which content is written ahead of it. */
const TOGETHER = { writes: 40, bytes: MOST_BYTES };

/** An append as it is read. */
export interface ContentRow {
  seq: number;
  count: number;
  nonce: number;
  body: string;
  checksum: number;
}

export type Put = { put: Key & Row };

const partKey = (name: string, i: number) => `p#${name}#${ordered(i)}`;

/** A text as fields of its item, and the parts that it is split into. */
export function split(pk: string, name: string, body: string): { fields: Row; parts: Put[] } {
  if (body.length * 3 <= PART) return { fields: { body }, parts: [] };
  const bytes = Buffer.from(body);
  if (bytes.length <= PART) return { fields: { body }, parts: [] };
  const parts: Put[] = [];
  for (let at = 0; at < bytes.length; at += PART)
    parts.push({ put: { pk, sk: partKey(name, parts.length), bytes: bytes.subarray(at, at + PART) } });
  return { fields: { parts: parts.length, part: name }, parts };
}

/** The texts of items whose parts may be elsewhere; a text of which a part is missing is empty. */
export async function bodiesOf(access: Access, items: readonly (Row & Key)[]): Promise<string[]> {
  const keys = items.flatMap(({ pk, parts = 0, part }) =>
    Array.from({ length: parts as number }, (_, i) => ({ pk, sk: partKey(part as string, i) })),
  );
  const found = new Map((await access.getAll(keys)).map(({ pk, sk, bytes }) => [`${pk} ${sk}`, bytes as Uint8Array]));
  return items.map(({ pk, body, parts = 0, part }) => {
    if (typeof body === 'string') return body;
    const bytes = Array.from({ length: parts as number }, (_, i) => found.get(`${pk} ${partKey(part as string, i)}`));
    return bytes.every((one) => one !== undefined) ? Buffer.concat(bytes).toString('utf8') : '';
  });
}

/** The item of an append. @param name of its parts, which no other text of the partition has. */
export function rowOf(pk: string, { seq, count, nonce, body, checksum }: ContentRow, name = String(nonce)): { row: Put; parts: Put[] } {
  const { fields, parts } = split(pk, name, body);
  return { row: { put: { pk, sk: rowKey(seq), count, nonce, checksum, ...fields } }, parts };
}

/** Splits writes into those that one transaction takes, and those that are written ahead of it. */
export function ahead(rows: readonly Put[], parts: readonly Put[]): { together: Write[]; before: Put[] } {
  const bytes = [...rows, ...parts].reduce((sum, { put }) => sum + sizeOf(put), 0);
  if (rows.length + parts.length <= TOGETHER.writes && bytes <= TOGETHER.bytes) return { together: [...rows, ...parts], before: [] };
  return { together: [...rows], before: [...parts] };
}

export const nonceAt = async (access: Access, pk: string, seq: number): Promise<number | undefined> =>
  (await access.get({ pk, sk: rowKey(seq) }))?.nonce as number | undefined;

const CHUNK = 64;

/** The rows from the one that holds a number on, in order. */
export async function* rowsFrom(access: Access, pk: string, next: number): AsyncGenerator<ContentRow[], void, undefined> {
  let from = next;
  if (next > 0)
    for await (const { sk } of access.query({ pk, from: 'e#', to: rowKey(next), last: true, page: 1 })) {
      from = seqOf(sk);
      break;
    }
  let items: (Row & Key)[] = [];
  const given = async () => {
    const bodies = await bodiesOf(access, items);
    const rows = items.map((item, i): ContentRow => {
      const { count, nonce, checksum } = item as unknown as ContentRow;
      return { seq: seqOf(item.sk), count, nonce, checksum, body: bodies[i] as string };
    });
    items = [];
    return rows;
  };
  for await (const item of access.query({ pk, from: rowKey(from), to: LAST_ROW, page: CHUNK })) {
    items.push(item);
    if (items.length === CHUNK) yield await given();
  }
  if (items.length > 0) yield await given();
}

const seqOf = (sk: string) => Number(sk.slice('e#1'.length));

/** Deletes what was written ahead of a transaction that did not come. */
export async function takeBack(access: Access, parts: readonly Put[]): Promise<void> {
  await access.writeAll(parts.map(({ put: { pk, sk } }) => ({ delete: { pk, sk } })));
}
