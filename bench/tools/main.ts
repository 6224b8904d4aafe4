/**
 * How well a gateway finds tools, and what that saves: hit rates on catalogues of 300 and 3,000 tools, and the tokens of their declarations.
 * `npm run bench:tools`, or `npm run bench:tools -- path/to/MetaTool` for its questions too, with
 *   --embedder file a module whose default export is an `Embedder`; default: a small model that is installed at the first run,
 *   --tuned         asks the questions by which the ranking was chosen, in place of those that were held back,
 *   --write         puts the results into bench/results.json and docs/benchmarks.md,
 *   --json          prints one JSON and nothing else.
 * The data is MIT, github.com/HowieHwong/MetaTool: dataset/plugin_des.json and dataset/data/all_clean_data.csv. It is not in this repository.
 */
import { resolve } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { flags } from '../../scripts/flags.ts';
import { type Embedder, gateway } from '../../src/adapters/gateway/index.ts';
import type { Tool } from '../../src/index.ts';
import { calling, finding } from '../../src/loop/tools/finding.ts';
import { definition } from '../../src/loop/tools/tool.ts';
import sentences from '../embedder/sentences.ts';
import { here } from '../here.ts';
import { write } from '../results/file.ts';
import { RESULTS_FORMAT } from '../results/results.ts';
import { answering } from './answering.ts';
import { firstOf, operations, plugins, type Targets } from './catalogue.ts';
import { AT, ENOUGH, type Found, foundTable } from './found.ts';
import { metaTool, ownQuestions, type Question } from './questions.ts';

/** Characters of a token, as a rule of thumb. The share that is saved does not depend on it. */
const TOKEN = 4;

const { values, positionals } = flags('npm run bench:tools -- [path/to/MetaTool] [--embedder file.ts] [--tuned] [--write] [--json]', {
  allowPositionals: true,
  options: {
    embedder: { type: 'string' },
    tuned: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
process.on('warning', (warning) => {
  if (warning.name === 'RondoWarning') throw warning;
});

const machine = here();
const half = values.tuned ? 'tuned' : 'held';
const given = values.embedder && ((await import(pathToFileURL(resolve(values.embedder)).href)) as { default: Embedder }).default;
const embedder: Embedder = given || sentences;
const all = operations();
const own = ownQuestions(half);
// the same catalogue for both halves
const wanted = new Set([...ownQuestions('tuned'), ...ownQuestions('held')].map(({ tool }) => tool));
const rows: Found[] = [];
await both('services', pick(all, 300), own);
await both('services', all, own);
if (positionals[0] !== undefined) {
  const { descriptions, questions } = metaTool(positionals[0], half);
  const named = plugins(descriptions);
  for (const size of [300, 3_000]) await both('MetaTool and services', { plugins: named, ...firstOf(all, size - named.length) }, questions);
}
const found = { machine, rows };
console.log(values.json ? JSON.stringify(found) : foundTable(found));
if (values.write) write({ format: RESULTS_FORMAT, found });

/** So many tools, and among them all that the questions are about. */
function pick(targets: Targets, size: number): Targets {
  const kept = Object.fromEntries(
    Object.entries(targets).map(([target, tools]) => [target, tools.filter(({ name }) => wanted.has(`${target}___${name}`))]),
  );
  const rest = Object.fromEntries(
    Object.entries(targets).map(([target, tools]) => [target, tools.filter(({ name }) => !wanted.has(`${target}___${name}`))]),
  );
  const count = Object.values(kept).reduce((sum, tools) => sum + tools.length, 0);
  const more = firstOf(rest, size - count);
  return Object.fromEntries(Object.keys(targets).map((target) => [target, [...(kept[target] ?? []), ...(more[target] ?? [])]]));
}

async function both(catalogue: string, targets: Targets, questions: readonly Question[]): Promise<void> {
  rows.push(await measured({ catalogue, ranking: 'words' }, targets, questions));
  rows.push(await measured({ catalogue, ranking: 'words and vectors' }, targets, questions, embedder));
}

async function measured(
  what: Pick<Found, 'catalogue' | 'ranking'>,
  targets: Targets,
  questions: readonly Question[],
  embed?: Embedder,
): Promise<Found> {
  // a search waits five seconds for vectors, and a model on a busy machine may take longer
  if (embed) for (let i = 0; i < questions.length; i += 32) await embed.embed(questions.slice(i, i + 32).map(({ text }) => text));
  let embedded = 0;
  const counted = embed && {
    name: embed.name,
    async embed(texts: readonly string[]) {
      const vectors = await embed.embed(texts);
      embedded += texts.length;
      return vectors;
    },
  };
  const made = gateway({ name: 'bench', targets, search: counted ? { embed: counted } : true });
  const opened = await made.open({ signal: AbortSignal.timeout(3_600_000) });
  await opened.list();
  const tools = (await opened.all()).map(({ tool }) => tool);
  while (counted && embedded < tools.length) await after(50);
  const sizes = new Map(tools.map((tool) => [tool.name, tokensOf([tool])]));
  await using model = answering(made);
  const places: number[] = [];
  const all = tokensOf(tools);
  const search = tokensOf([finding, calling]);
  const sums = { answered: 0, answer: 0, task: 0 };
  for (const { text, tool } of questions) {
    const size = sizes.get(tool);
    if (size === undefined) throw new Error(`a question is about ${tool}, which the catalogue does not have`);
    const found = (await opened.search?.(text, { limit: tools.length, signal: AbortSignal.timeout(60_000) })) ?? [];
    const place = found.findIndex(({ name }) => name === tool);
    places.push(place < 0 ? Number.POSITIVE_INFINITY : place + 1);
    const { whole, named, chars } = await model.ask(text);
    const answer = chars / TOKEN;
    sums.answer += answer;
    if (whole.includes(tool) || named.includes(tool)) sums.answered++;
    // with its answer, each request has those before it; for one that was only named, there is one request more, which asks for its schema
    sums.task += named.includes(tool) ? 4 * search + 3 * answer + 2 * size : 3 * search + 2 * answer;
  }
  await opened.close();
  const within = (k: number) => places.filter((place) => place <= k).length / questions.length;
  return {
    ...what,
    tools: tools.length,
    questions: questions.length,
    hits: Object.fromEntries(AT.map((k) => [k, within(k)])),
    answered: sums.answered / questions.length,
    enough: tools.findIndex((_, i) => within(i + 1) >= ENOUGH) + 1 || null,
    tokens: { all, search, answer: Math.round(sums.answer / questions.length), task: Math.round(sums.task / questions.length) },
  };
}

function tokensOf(tools: readonly Tool[]): number {
  return Math.round(tools.reduce((sum, tool) => sum + JSON.stringify(definition(tool).spec).length, 0) / TOKEN);
}
