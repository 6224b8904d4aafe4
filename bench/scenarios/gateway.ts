/** A gateway: a call through it beside a direct one, a search and a listing of many tools. */
import { gateway } from '../../src/adapters/gateway/index.ts';
import { agent, Engine, memoryJournal, type Tool, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';
import { firstOf, operations, type Targets } from '../tools/catalogue.ts';

const TURNS = 50;
const SEARCHES = 20;
const LISTINGS = 20;
const DIRECT = 'a tool of the agent’s own';
const THROUGH = 'through a gateway';
const LIMITED = 'through a gateway with rate limits';
/** A call through a gateway, whose names and options are made once, costs what a direct one does. */
const TIMES = 1.1;
/** Milliseconds of a search among 3,000 tools: nothing beside the call of a model. */
const SEARCH_MS = 20;

const QUESTIONS = [
  'refund a charge',
  'who is on call this weekend',
  'create a pull request',
  'the weather of tomorrow',
  'delete an old instance',
];
const signal = new AbortController().signal;

const look = tool({ name: 'look', description: 'looks', input: { type: 'object' }, effect: 'read', execute: () => 'seen' });

/** Runs of so many calls, one a step. */
function calls(name: string, tools: Parameters<typeof agent>[0]['tools'], called: string): Contender {
  const model = scripted(({ messages }) => (messages.length > 2 * TURNS ? 'done' : { toolCalls: [{ name: called, input: {} }] }));
  const engine = new Engine({ journal: memoryJournal() });
  const own = agent({ name: 'own', instructions: '', model, tools, limits: { steps: TURNS + 2 } });
  return {
    name,
    prepare: () => ({
      units: TURNS,
      async run() {
        const result = await engine.run(own, 'go');
        if (result.status !== 'completed') throw new Error(`${name} ended ${result.status}`);
      },
    }),
    close: () => engine.close(),
  };
}

async function searching(name: string, targets: Targets): Promise<Contender> {
  const opened = await gateway({ name: 'bench', targets, search: true }).open({ signal });
  await opened.list();
  return {
    name,
    prepare: () => ({
      units: SEARCHES,
      async run() {
        for (let i = 0; i < SEARCHES; i++)
          if (!(await opened.search?.(QUESTIONS[i % QUESTIONS.length] as string, { limit: 10, signal }))?.length)
            throw new Error('nothing was found');
      },
    }),
    close: () => opened.close(),
  };
}

async function listing(name: string, targets: Targets, count: number): Promise<Contender> {
  const opened = await gateway({ name: 'bench', targets }).open({ signal });
  return {
    name,
    prepare: () => ({
      units: LISTINGS,
      async run() {
        for (let i = 0; i < LISTINGS; i++) {
          const tools: readonly Tool[] = await opened.list();
          if (tools.length !== count) throw new Error(`${tools.length} tools are listed`);
        }
      },
    }),
    close: () => opened.close(),
  };
}

export const gateways: Scenario = async ({ quick }) => {
  const rounds = quick ? { rounds: 2, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 20_000 };
  const limits = { dimensionKeys: ['targetName'], entries: [{ requests: [{ rate: 1e9, period: 'second' as const }] }] };
  const office = gateway({ name: 'office', targets: { shop: [look] } });
  const limited = gateway({ name: 'office', targets: { shop: [look] }, rateLimits: [limits] });
  const called = await interleave(
    [calls(DIRECT, [look], 'look'), calls(THROUGH, [office], 'shop___look'), calls(LIMITED, [limited], 'shop___look')],
    rounds,
  );
  const all = operations();
  const some = firstOf(all, 300);
  const found = await interleave([await searching('a search: 300 tools', some), await searching('a search: 3,000 tools', all)], rounds);
  const listed = await interleave(
    [await listing('a list: 300 tools', some, 300), await listing('a list: 3,000 tools', all, 3_000)],
    rounds,
  );
  const rows = (times: typeof found) => [...times.keys()].map((name) => ({ name, cells: [spread(timesOf(times, name))] }));
  const large = timesOf(found, 'a search: 3,000 tools').map((us) => us / 1_000);
  return {
    tables: [
      { title: 'A tool turn through a gateway', unit: 'µs', columns: [`a turn of ${TURNS}`], rows: rows(called) },
      { title: 'Many tools in a gateway', unit: 'µs', columns: ['each'], rows: [...rows(found), ...rows(listed)] },
    ],
    targets: [
      {
        name: 'A turn through a gateway, beside a tool of the agent’s own',
        measured: ratio(called, THROUGH, DIRECT),
        unit: 'x',
        limit: TIMES,
      },
      { name: 'A search among 3,000 tools', measured: spread(large), unit: 'ms', limit: SEARCH_MS },
    ],
  };
};
