/**
 * What policies of `compact` save, and what they lose: a task whose answer needs a fact from one of the first results. The model is scripted and
 * reads its request: it knows the fact only if it is in what it sees, in the summary, or in a result that it reads back.
 */
import { agent, type Compaction, clearToolResults, Engine, keepLast, type ModelRequest, summarise, tool } from '../../src/index.ts';
import { type Asking, prefixTokens, type Scripted, scripted } from '../../src/testing/index.ts';
import { exactly, type Outcome, type Row, type Scenario } from '../result.ts';
import { inTurns } from '../targets.ts';

const TURNS = [10, 20, 40, 80] as const;
/** The turn in whose result the fact is: one task each. */
const PLACES = [0, 1, 3] as const;
/** Tokens over which the policies act. */
const OVER = 8_000;
/** US dollars per million tokens: input, input that is read from the cache, input that is written to it, output. */
const RATES = { input: 3, read: 0.3, write: 3.75, output: 15 };
const CODE = /the code of the vault is (\d+)/;
const REF = /read_result\(\{ \\*"ref\\*": \\*"([0-9a-f]{12})/g;

const POLICIES: Readonly<Record<string, () => readonly Compaction[]>> = {
  'no policy': () => [],
  'keepLast(8)': () => [keepLast(8)],
  clearToolResults: () => [clearToolResults({ over: OVER, keep: 3 })],
  summarise: () => [summarise({ over: OVER, keep: 6, model: writer() })],
  'summarise, by a writer that drops the fact': () => [
    summarise({ over: OVER, keep: 6, model: scripted(() => 'Some pages about shelves were read.') }),
  ],
};

/** A sentence of filler with a number of its own, so that a writer cannot tell by numbers alone what will matter. */
const filler = (turn: number, i: number) => `Shelf ${turn} holds ${(turn * 31 + i * 7) % 97} boxes of kind ${i}.`;

/** About 3 KB. The fact is in the middle. */
const page = (turn: number, fact: string | undefined) =>
  Array.from({ length: 90 }, (_, i) => (i === 45 && fact ? fact : filler(turn, i))).join(' ');

/** Writes each sentence of its request that speaks of a code, and how much else there was. */
const writer = () =>
  scripted(({ messages }): Scripted => {
    const sentences = JSON.stringify(messages).split(/[.\n]/);
    const kept = [...new Set(sentences.flatMap((s) => CODE.exec(s)?.[0] ?? []))];
    return `${sentences.length} sentences about shelves were read. ${kept.join('. ')}`;
  });

interface Run {
  right: boolean;
  tokens: number;
  /** US dollars, without and with a provider's cache of prefixes. */
  plain: number;
  cached: number;
}

async function run(policies: readonly Compaction[], turns: number, place: number): Promise<Run> {
  const code = String(100_000 + turns * 100 + place);
  const fact = `By the way, the code of the vault is ${code}.`;
  const asked: Asking[] = [];
  const read = new Set<string>();
  const model = scripted((request, n): Scripted => {
    const usage = { input: Math.ceil(JSON.stringify(request.messages).length / 4), output: 20 };
    asked.push({ request: { ...request, messages: [...request.messages] }, usage });
    if (n < turns) return { toolCalls: [{ name: 'lookup', input: { turn: n } }], usage };
    const known = CODE.exec(saidIn(request))?.[1];
    if (known) return { text: known, usage };
    const ref = [...saidIn(request).matchAll(REF)].map((match) => match[1] as string).find((one) => !read.has(one));
    if (ref === undefined) return { text: 'I do not know.', usage };
    read.add(ref);
    return { toolCalls: [{ name: 'read_result', input: { ref } }], usage };
  });
  const lookup = tool({
    name: 'lookup',
    description: 'Reads a page of the inventory',
    input: { type: 'object', properties: { turn: { type: 'number' } }, required: ['turn'] },
    effect: 'read',
    maxBytes: 100_000,
    execute: ({ turn }) => page(turn as number, turn === place ? fact : undefined),
  });
  const a = agent({
    name: 'clerk',
    instructions: 'Read all pages, then tell the code of the vault.',
    model,
    tools: [lookup],
    compact: policies,
  });
  const engine = new Engine({ limits: { steps: 10_000 } });
  const result = await engine.run(a, 'What is the code of the vault?');
  await engine.close();
  if (result.status !== 'completed') throw new Error(`the task ended as ${JSON.stringify(result)}`);
  const { input, output } = result.usage;
  const { prefix, input: ofSteps } = prefixTokens(asked);
  const summaries = input - ofSteps;
  const dollars = (tokens: number, rate: number) => (tokens * rate) / 1e6;
  const written = dollars(output, RATES.output);
  return {
    right: result.output === code,
    tokens: input + output,
    plain: dollars(input, RATES.input) + written,
    cached: dollars(prefix, RATES.read) + dollars(ofSteps - prefix, RATES.write) + dollars(summaries, RATES.input) + written,
  };
}

/** What a request says, without what the model itself wrote. */
const saidIn = ({ messages }: ModelRequest) =>
  messages
    .filter(({ role }) => role !== 'assistant')
    .map((message) => JSON.stringify(message))
    .join('\n');

export const context: Scenario = async ({ quick }): Promise<Outcome> => {
  const turns = quick ? TURNS.slice(0, 2) : TURNS;
  const found: Record<string, Run[][]> = {};
  for (const [name, policies] of Object.entries(POLICIES)) {
    found[name] = [];
    for (const n of turns) found[name].push(await Promise.all(PLACES.map((place) => run(policies(), n, place))));
  }
  const mean = (runs: readonly Run[], of: (run: Run) => number) => runs.reduce((sum, one) => sum + of(one), 0) / runs.length;
  const rows = (of: (run: Run) => number): Row[] =>
    Object.entries(found).map(([name, all]) => ({ name, cells: all.map((runs) => exactly(mean(runs, of))) }));
  const columns = turns.map(inTurns);
  const [none, clear] = [found['no policy'], found.clearToolResults] as [Run[][], Run[][]];
  const last = turns.length - 1;
  return {
    tables: [
      {
        title: 'A task whose answer needs an early fact: tokens of the run',
        unit: 'thousands of tokens, input and output, with those of summaries',
        columns,
        rows: rows(({ tokens }) => tokens / 1_000),
        notes: [`Results of 3 KB. The policies act over ${OVER} tokens. A token is 4 characters: no tokeniser is run.`],
      },
      {
        title: 'The same: right answers',
        unit: 'percent',
        columns,
        rows: rows(({ right }) => (right ? 100 : 0)),
        notes: [
          'The writer of summaries is scripted and keeps each sentence with a code; what a model keeps depends on the model and the prompt.',
        ],
      },
      {
        title: 'The same: dollars without a cache',
        unit: 'US cents',
        columns,
        rows: rows(({ plain }) => plain * 100),
        notes: [`At ${RATES.input} dollars a million tokens of input, ${RATES.output} of output.`],
      },
      {
        title: 'The same: dollars with a cache of prefixes',
        unit: 'US cents',
        columns,
        rows: rows(({ cached }) => cached * 100),
        notes: [
          `What the request before had too is read at ${RATES.read} dollars a million, the rest is written at ${RATES.write}: each compaction writes again what follows it.`,
        ],
      },
    ],
    targets: [
      {
        name: 'clearToolResults: right answers where no policy is right',
        measured: exactly(mean(clear.flat(), ({ right }) => (right ? 100 : 0)) / mean(none.flat(), ({ right }) => (right ? 100 : 0))),
        unit: 'x',
        limit: 1,
        atLeast: true,
        basis: 'no policy',
      },
      {
        name: `clearToolResults, ${inTurns(turns[last] as number)}: tokens`,
        measured: exactly(mean(clear[last] as Run[], ({ tokens }) => tokens) / mean(none[last] as Run[], ({ tokens }) => tokens)),
        unit: 'x',
        limit: quick ? 1 : 0.5,
        basis: 'no policy',
      },
    ],
  };
};
