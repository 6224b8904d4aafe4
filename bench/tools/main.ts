/**
 * How well a gateway finds tools, and what that saves: hit rates on catalogues of 300 and 3,000 tools, and the tokens of their declarations.
 * `npm run bench:tools`, or `npm run bench:tools -- path/to/MetaTool` for its questions too, with
 *   --every n       asks each n-th of them; default 10,
 *   --embedder file a module whose default export is an `Embedder`, for rows with vectors; default: none,
 *   --json          prints one JSON and nothing else.
 * The data is MIT, github.com/HowieHwong/MetaTool: dataset/plugin_des.json and dataset/data/all_clean_data.csv. It is not in this repository.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type Embedder, gateway } from '../../src/adapters/gateway/index.ts';
import type { Tool } from '../../src/index.ts';
import { calling, finding } from '../../src/loop/finding.ts';
import { definition } from '../../src/loop/tool.ts';
import { firstOf, operations, plugins, type Targets } from './catalogue.ts';
import { metaTool, ownQuestions, type Question } from './questions.ts';

/** Characters of a token, as a rule of thumb; dollars of a million tokens of input. The share that is saved depends on neither. */
const TOKEN = 4;
const PRICE = 3;
/** As many as find_tools answers at most. */
const SHOWN = 10;
const AT = [1, 5, 10] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { embedder: { type: 'string' }, every: { type: 'string', default: '10' }, json: { type: 'boolean', default: false } },
});

interface Measured {
  catalogue: string;
  tools: number;
  questions: number;
  /** Shares of questions whose tool is among the first k. */
  hits: Record<number, number>;
  /** Tokens of all declarations; of the two search tools; of what a search answers, on average. */
  tokens: { all: number; search: number; answer: number };
}

const all = operations();
const every = Math.max(1, Number(values.every) || 1);
const embed = values.embedder ? ((await import(pathToFileURL(resolve(values.embedder)).href)) as { default: Embedder }).default : undefined;
const own = ownQuestions();
const wanted = new Set(own.map(({ tool }) => tool));
const meta = positionals[0] === undefined ? undefined : metaTool(positionals[0]);
const rows: Measured[] = [];
await measure('services', pick(all, 300), own);
await measure('services', all, own);
if (meta) {
  const asked = meta.questions.filter((_, i) => i % every === 0);
  const named = plugins(meta.descriptions);
  for (const size of [300, 3_000]) await measure('MetaTool and services', { plugins: named, ...firstOf(all, size - named.length) }, asked);
}
if (values.json) console.log(JSON.stringify({ embedder: embed?.name ?? null, every, rows }));
else for (const row of rows) print(row);

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

async function measure(catalogue: string, targets: Targets, questions: readonly Question[]): Promise<void> {
  const opened = await gateway({ name: 'bench', targets, search: embed ? { embed } : true }).open({
    signal: AbortSignal.timeout(3_600_000),
  });
  await opened.list();
  const tools = await opened.all();
  const known = new Set(tools.map(({ tool }) => tool.name));
  const hits = AT.map(() => 0);
  let answered = 0;
  for (const { text, tool } of questions) {
    if (!known.has(tool)) throw new Error(`a question is about ${tool}, which the catalogue does not have`);
    const found = (await opened.search?.(text, { limit: SHOWN, signal: AbortSignal.timeout(60_000) })) ?? [];
    const place = found.findIndex(({ name }) => name === tool);
    for (const [i, k] of AT.entries()) if (place >= 0 && place < k) hits[i] = (hits[i] as number) + 1;
    answered += tokensOf(found);
  }
  await opened.close();
  rows.push({
    catalogue,
    tools: tools.length,
    questions: questions.length,
    hits: Object.fromEntries(AT.map((k, i) => [k, (hits[i] as number) / questions.length])),
    tokens: {
      all: tokensOf(tools.map(({ tool }) => tool)),
      search: tokensOf([finding, calling]),
      answer: Math.round(answered / questions.length),
    },
  });
}

function tokensOf(tools: readonly Tool[]): number {
  return Math.round(tools.reduce((sum, tool) => sum + JSON.stringify(definition(tool).spec).length, 0) / TOKEN);
}

/** A task with one call of a tool: two requests with all tools; three with the two search tools, two of which have the answer of a search. */
function print({ catalogue, tools, questions, hits, tokens: { all: every, search, answer } }: Measured): void {
  const [sent, searched] = [2 * every, 3 * search + 2 * answer];
  const usd = (tokens: number) => `$${((tokens * PRICE) / 1e6).toFixed(4)}`;
  console.log(`${catalogue}: ${tools} tools, ${questions} questions${embed ? `, words and ${embed.name}` : ', words'}`);
  console.log(`  hit rate ${AT.map((k) => `at ${k}: ${((hits[k] as number) * 100).toFixed(1)}%`).join(', ')}`);
  console.log(`  tokens of a request: ${every} with all, ${search} with find_tools and call_tool, and ${answer} for what a search answers`);
  console.log(
    `  a task of one call: ${sent} with all (${usd(sent)}), ${searched} searched (${usd(searched)}): ${(100 - (100 * searched) / sent).toFixed(1)}% fewer`,
  );
}
