import { describe, expect, test } from 'vitest';
import { type Agent, agent, Engine, foreignAgent, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { working } from '../graph/working.ts';
import { all, entriesOf, entryOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, resultsIn } from '../kit/runs.ts';

type Body = () => unknown;
const policy = { effect: 'idempotent', retry: { attempts: 1 } } as const;
const amount = { usd: 6 };

/** An agent for each place where an effect can run that may run twice. */
const places: [string, (body: Body) => Agent][] = [
  [
    'a tool',
    (body) => {
      const pay = tool({ name: 'pay', description: '', input: anything, amount: () => amount, ...policy, execute: body });
      const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['pay', {}])));
      return agent({ name: 'a', instructions: '', model, tools: [pay] });
    },
  ],
  [
    'a durable step',
    (body) => working(async ({ durable }) => String(await durable('pay', body, { amount, ...policy }).catch((e: ToolError) => e.code))),
  ],
  ['a turn', (body) => foreignAgent({ name: 'a', ...policy, turn: async () => ({ status: 'completed', output: String(await body()) }) })],
];

describe.each(journals)('an effect that runs again after a crash, on $name,', ({ make }) => {
  /** Its process dies while it runs; in the next one it goes like this. */
  async function again(place: (body: Body) => Agent, body: Body) {
    const { journal, another } = make();
    const first = place(() => new Promise(() => undefined));
    const run = new Engine({ journal }).run(first, (first as { input?: unknown }).input ? {} : 'go');
    run.catch(() => undefined);
    await entryOf(journal, run.id, 'call.started');
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [place(body)] });
    const result = await engine.resume(run.id);
    const finished = (await entriesOf(journal, run.id)).find((e) => e.type === 'call.finished');
    return { engine, result, finished, effects: await all(engine.effects({ run: run.id })) };
  }

  test.each(places)('and is refused, may have taken effect before: %s', async (_, place) => {
    const { finished, effects } = await again(place, () => {
      throw new ToolError('BUSY', 'busy', { outcome: 'not-run' });
    });
    expect(finished).toMatchObject({ ok: false, error: { code: 'BUSY', outcome: 'unknown' } });
    expect(effects).toMatchObject([{ outcome: 'unknown' }]);
  });

  test.each(places.slice(0, 2))('is worth in the ledger what it was worth when it first ran: %s', async (_, place) => {
    const { effects } = await again(place, () => 'done');
    expect(effects).toMatchObject([{ outcome: 'done', amount }]);
  });

  test('still counts for a limit of amounts', async () => {
    const { journal, another } = make();
    let dead = true;
    let paid = 0;
    const pay = tool({
      name: 'pay',
      description: '',
      input: anything,
      amount: () => amount,
      ...policy,
      execute: () => (dead ? new Promise(() => undefined) : void paid++),
    });
    const model = scripted(({ messages }) => asks(['pay', { n: messages.length }]));
    const a = agent({ name: 'a', instructions: '', model, tools: [pay] });
    const run = new Engine({ journal }).run(a, 'go', { limits: { amounts: { usd: 13 } } });
    run.catch(() => undefined);
    await entryOf(journal, run.id, 'call.started');
    await expireLease(journal, run.id);
    dead = false;
    const { limit } = await ends(new Engine({ journal: another(), agents: [a] }).resume(run.id), 'stopped');
    expect(limit).toEqual({ name: 'amounts', unit: 'usd', max: 13, used: 12, needed: 6 });
    expect(paid).toBe(2);
  });

  test('and is refused, is told to the model as what may have happened', async () => {
    const { engine, result } = await again(places[0]?.[1] as (body: Body) => Agent, () => {
      throw new ToolError('BUSY', 'busy', { outcome: 'not-run' });
    });
    const [told] = resultsIn((await engine.inspect(result.runId)).messages);
    expect(failure(told)).toMatchObject({ code: 'BUSY', outcome: 'unknown' });
  });
});
