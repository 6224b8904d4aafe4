/**
 * How well a memory finds: recall at k on LoCoMo, with a row for each term of the ranking. `npm run bench:locomo -- path/to/locomo10.json`, with
 *   --embedder file   a module whose default export is an `Embedder`; default: hashes, which have no meaning,
 *   --first n         only the first n conversations,
 *   --json            prints one JSON and nothing else.
 * The data is CC BY-NC 4.0, by Snap Research: github.com/snap-research/LoCoMo, data/locomo10.json. It is not in this repository.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { flags, wrong } from '../../scripts/flags.ts';
import { type Embedder, openMemoryDatabase, type Ranking, sqliteMemory } from '../../src/adapters/memory/index.ts';
import { hashEmbedder } from '../hash-embedder.ts';
import { type Conversation, conversations } from './data.ts';

const AT = [1, 5, 10, 20] as const;
const MOST = Math.max(...AT);

const ROWS: readonly (readonly [name: string, ranking: Partial<Ranking>])[] = [
  ['BM25 alone', { vectors: 0, recency: 0, diversity: 0 }],
  ['vectors alone', { words: 0, recency: 0, diversity: 0 }],
  ['both, fused', { recency: 0, diversity: 0 }],
  ['both, with recency and diversity (default)', {}],
  ['default without words', { words: 0 }],
  ['default without vectors', { vectors: 0 }],
  ['default without recency', { recency: 0 }],
  ['default without diversity', { diversity: 0 }],
];

const { values, positionals } = flags('npm run bench:locomo -- path/to/locomo10.json [--embedder file.ts] [--first 3] [--json]', {
  allowPositionals: true,
  options: { embedder: { type: 'string' }, first: { type: 'string' }, json: { type: 'boolean', default: false } },
});
const [path] = positionals;
if (path === undefined) wrong('Give the path of locomo10.json: npm run bench:locomo -- path/to/locomo10.json');

const embed = values.embedder ? await given(values.embedder) : hashEmbedder(512);
const first = values.first === undefined ? undefined : Number(values.first);
if (first !== undefined && !(Number.isInteger(first) && first > 0)) wrong(`--first is a number of conversations, not ${values.first}.`);
const talks = conversations(path).slice(0, first);
/** By conversation: the turn of each record. */
const filledBefore = new Map<string, ReadonlyMap<string, string>>();
const rows: (Recalled & { name: string })[] = [];
const db = openMemoryDatabase(':memory:');
for (const [name, ranking] of ROWS) rows.push({ name, ...(await measured(ranking)) });
await db.close();
const questions = talks.reduce((sum, talk) => sum + talk.questions.length, 0);
const turns = talks.reduce((sum, talk) => sum + talk.turns.length, 0);

if (values.json) console.log(JSON.stringify({ embedder: embed.name, questions, turns, rows }));
else print();

async function given(file: string): Promise<Embedder> {
  const { default: made } = (await import(pathToFileURL(resolve(file)).href)) as { default: Embedder };
  return made;
}

interface Recalled {
  /** By k. */
  recall: Readonly<Record<number, number>>;
  kinds: Readonly<Record<string, number>>;
}

/** The share of a question's evidence among the first k, as a mean over all questions; and by their kind, for 10. */
async function measured(ranking: Partial<Ranking>): Promise<Recalled> {
  const found = AT.map(() => 0);
  const kinds = new Map<string, { n: number; sum: number }>();
  for (const talk of talks) {
    const { store, turnOf } = await filled(talk, ranking);
    for (const { text, evidence, kind } of talk.questions) {
      const { items } = await store.search({ namespace: '/locomo/', text, top: MOST, limit: MOST });
      const ids = items.map(({ id }) => turnOf.get(id) as string);
      const shares = AT.map((k) => evidence.filter((id) => ids.slice(0, k).includes(id)).length / evidence.length);
      for (const [i, share] of shares.entries()) found[i] = (found[i] as number) + share;
      const own = kinds.get(kind) ?? { n: 0, sum: 0 };
      kinds.set(kind, { n: own.n + 1, sum: own.sum + (shares[AT.indexOf(10)] as number) });
    }
  }
  const count = talks.reduce((sum, talk) => sum + talk.questions.length, 0);
  return {
    recall: Object.fromEntries(AT.map((k, i) => [k, (found[i] as number) / count])),
    kinds: Object.fromEntries([...kinds].map(([kind, { n, sum }]) => [kind, sum / n])),
  };
}

/** A record for each turn, in a space of its own. The time is a day after the last turn. Records and vectors are the same for all rows. */
async function filled(talk: Conversation, ranking: Partial<Ranking>) {
  const now = (talk.turns.at(-1)?.at ?? 0) + 86_400_000;
  const store = sqliteMemory(db, { space: talk.id, embed, ranking, clock: { now: () => now } });
  let turnOf = filledBefore.get(talk.id);
  if (!turnOf) {
    const ids = new Map<string, string>();
    for (let i = 0; i < talk.turns.length; i += 100) {
      const batch = talk.turns.slice(i, i + 100);
      const written = await store.add(batch.map(({ speaker, text, at }) => ({ namespace: '/locomo/', text: `${speaker}: ${text}`, at })));
      for (const [n, each] of written.entries()) {
        if (!each.ok) throw new Error(each.message);
        ids.set(each.id, (batch[n] as (typeof batch)[number]).id);
      }
    }
    turnOf = ids;
    filledBefore.set(talk.id, ids);
  }
  return { store, turnOf };
}

function print(): void {
  const percent = (share: number) => (100 * share).toFixed(1);
  const kinds = Object.keys(rows[0]?.kinds ?? {}).sort();
  console.log(`${talks.length} conversations, ${turns} turns, ${questions} questions. Embedder: ${embed.name}.\n`);
  console.log(`| % of the evidence | ${AT.map((k) => `recall@${k}`).join(' | ')} | ${kinds.map((kind) => `@10, ${kind}`).join(' | ')} |`);
  console.log(`|---|${'---|'.repeat(AT.length + kinds.length)}`);
  for (const row of rows)
    console.log(
      `| ${row.name} | ${AT.map((k) => percent(row.recall[k] as number)).join(' | ')} | ${kinds.map((kind) => percent(row.kinds[kind] as number)).join(' | ')} |`,
    );
}
