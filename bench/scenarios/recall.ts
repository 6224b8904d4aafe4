/** A search of a memory's file of 1,000, 10,000 and 100,000 records: by words, and with vectors. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMemoryDatabase, type SqliteMemoryOptions, sqliteMemory } from '../../src/adapters/memory/index.ts';
import { type Spread, spread } from '../harness.ts';
import { hashEmbedder } from '../hash-embedder.ts';
import { exactly, type Row, type Scenario, type Target } from '../result.ts';

const SIZES = [1_000, 10_000, 100_000];
const USERS = 100;
const DIMENSIONS = 256;
/** Milliseconds at 100,000 records, in the namespace of one user: what a person does not notice before a model call. */
const LIMIT = 50;

const WAYS: readonly (readonly [name: string, o: SqliteMemoryOptions, namespace: string])[] = [
  ['by words, one user of 100', {}, '/facts/user-7/'],
  ['by words, all users', {}, '/facts/'],
  [`with vectors, one user of 100`, { embed: hashEmbedder(DIMENSIONS) }, '/facts/user-7/'],
  [`with vectors, all users`, { embed: hashEmbedder(DIMENSIONS) }, '/facts/'],
];

const WHAT =
  'tea coffee music painting hiking travel dog cat garden chess piano novel recipe train river bridge winter summer meeting budget'.split(
    ' ',
  );
const HOW = 'likes dislikes planned remembered forgot enjoyed avoided bought sold described recommended wanted'.split(' ');

/** The same sequence in each run. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Some words are in a twentieth of all texts, some in one of a few thousand. */
function sentence(next: () => number): string {
  const word = (of: readonly string[]) => of[Math.floor(next() * of.length)] as string;
  const rare = () => `thing${Math.floor(next() * 5_000)}`;
  return `The user ${word(HOW)} ${word(WHAT)} and ${word(WHAT)} with ${rare()} near ${rare()}, and ${word(HOW)} the ${word(WHAT)} in ${2_000 + Math.floor(next() * 26)}.`;
}

export const recall: Scenario = async ({ quick }) => {
  const sizes = quick ? [100, 1_000] : SIZES;
  const found = new Map<string, Spread[]>(WAYS.map(([name]) => [name, []]));
  const bytes: Spread[] = [];
  const written: Spread[] = [];
  for (const size of sizes) {
    const folder = mkdtempSync(join(tmpdir(), 'rondo-recall-'));
    const path = join(folder, 'memory.db');
    try {
      written.push(await fill(path, size));
      bytes.push(exactly(statSync(path).size / size));
      for (const [name, o, namespace] of WAYS)
        found.get(name)?.push(await searched(path, size, o, namespace, quick ? 10 : size > 10_000 ? 60 : 200));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const columns = sizes.map((size) => `${size.toLocaleString('en')} records`);
  const rows: Row[] = WAYS.map(([name]) => ({ name, cells: found.get(name) ?? [] }));
  const targets = WAYS.flatMap(([name]): Target[] => {
    const measured = found.get(name)?.at(-1);
    return measured && name.includes('one user')
      ? [{ name: `recall at ${columns.at(-1)}, ${name}`, measured, unit: 'ms', limit: LIMIT }]
      : [];
  });
  return {
    tables: [
      {
        title: 'A search of a memory, 10 of its records',
        unit: 'milliseconds',
        columns,
        rows,
        notes: [
          `The records are spread over ${USERS} namespaces. Vectors have ${DIMENSIONS} dimensions and come from hashes; what a model takes for the text of the search is not in the time.`,
          'The first search with vectors reads all of the space into memory. It is not in the numbers.',
        ],
      },
      {
        title: 'A search of a memory, 10 of its records: 99 of 100 are faster',
        unit: 'milliseconds, p99',
        columns,
        rows: WAYS.map(([name]) => ({ name, cells: (found.get(name) ?? []).map(({ p99 }) => exactly(p99)) })),
      },
      {
        title: 'What the file takes',
        unit: 'bytes of a record, with its vector; milliseconds of a batch of 100',
        columns,
        rows: [
          { name: 'size', cells: bytes },
          { name: 'adding 100', cells: written },
        ],
      },
    ],
    targets,
  };
};

async function fill(path: string, size: number): Promise<Spread> {
  const db = openMemoryDatabase(path);
  const store = sqliteMemory(db, { embed: hashEmbedder(DIMENSIONS) });
  const next = random(size);
  const times: number[] = [];
  for (let n = 0; n < size; n += 100) {
    const batch = Array.from({ length: 100 }, (_, i) => ({ namespace: `/facts/user-${(n + i) % USERS}/`, text: sentence(next) }));
    const started = performance.now();
    const written = await store.add(batch);
    times.push(performance.now() - started);
    if (written.some(({ ok }) => !ok)) throw new Error('a record was not added');
  }
  await db.empty();
  await db.close();
  return spread(times);
}

async function searched(path: string, size: number, o: SqliteMemoryOptions, namespace: string, times: number): Promise<Spread> {
  const store = sqliteMemory(path, o);
  const next = random(size + 1);
  const took: number[] = [];
  for (let n = -5; n < times; n++) {
    const text = sentence(next);
    const started = performance.now();
    const { items } = await store.search({ namespace, text });
    if (n >= 0) took.push(performance.now() - started);
    if (items.length === 0) throw new Error('nothing was found');
  }
  await store.close();
  return spread(took);
}
