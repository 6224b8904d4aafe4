/** Lists of several partitions as one, newest first. */
import type { Access } from './access.ts';
import type { Key } from './client.ts';
import { LAST } from './keys.ts';

/** A partition of an index; or of the table, whose items point to runs. */
export interface Partition {
  pk: string;
  index?: 'list';
}
/** What pointers begin with. */
const POINTER = 'r#';

/** Keys of a partition, backwards, with the text that they are sorted by. */
async function* backwards(
  access: Access,
  { pk, index }: Partition,
  below: string | undefined,
  page: number,
): AsyncGenerator<{ at: string; key: Key }, void, undefined> {
  const from = index ? '0' : POINTER;
  const to = `${index ? '' : POINTER}${below ?? LAST}`;
  for await (const row of access.query({ pk, from, to, last: true, page, ...(index && { index }) })) {
    const at = index ? String(row.l_sk) : row.sk.slice(POINTER.length);
    const key = index ? { pk: row.pk, sk: row.sk } : { pk: `run#${row.run}`, sk: 'head' };
    if (at !== below) yield { at, key };
  }
}

/** The keys of partitions in chunks, each once, newest first. @param below begins behind this place. */
export async function* newest(
  access: Access,
  partitions: readonly Partition[],
  below: string | undefined,
  chunk: number,
): AsyncGenerator<Key[], void, undefined> {
  const sources = partitions.map((partition) => backwards(access, partition, below, chunk + 1));
  const firsts = await Promise.all(sources.map((source) => source.next()));
  // while it moves from one partition to another, an index may have an item in both
  const given = new Set<string>();
  let keys: Key[] = [];
  for (;;) {
    let best = -1;
    for (const [i, { value, done }] of firsts.entries()) {
      const top = best < 0 ? undefined : firsts[best]?.value;
      if (!done && value && (!top || compare(value.at, top.at) > 0)) best = i;
    }
    const found = best < 0 ? undefined : firsts[best]?.value;
    if (!found) break;
    firsts[best] = await (sources[best] as (typeof sources)[number]).next();
    const name = JSON.stringify(found.key);
    if (given.has(name)) continue;
    given.add(name);
    keys.push(found.key);
    if (keys.length < chunk) continue;
    yield keys;
    keys = [];
  }
  if (keys.length > 0) yield keys;
}

/** As DynamoDB compares them. */
const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
