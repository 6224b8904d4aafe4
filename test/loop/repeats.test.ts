import { describe, expect, test } from 'vitest';
import { agent, Engine, type Limits, ToolError, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

/** An agent with the tools `look`, whose result is always the same, `count`, whose result never is, and `fails`. */
function looking(script: (n: number) => Scripted, limits: Limits) {
  let ran = 0;
  const read = { description: '', input: anything, effect: 'read' } as const;
  const tools = [
    tool({ ...read, name: 'look', execute: () => ({ seen: 'nothing' }) }),
    tool({ ...read, name: 'count', execute: () => ++ran }),
    tool({
      ...read,
      name: 'fails',
      retry: { attempts: 1 },
      breaker: false,
      execute: () => {
        throw new ToolError('NO_LUCK', 'no luck');
      },
    }),
  ];
  const model = scripted((_, n) => script(n));
  return { model, a: agent({ name: 'a', instructions: '', model, tools, limits }) };
}
const look = asks(['look', { at: 'x' }]);

describe.each(journals)('repeats on $name', ({ make }) => {
  test('the same call with the same result n times in a row stops the run before the model is asked again; a higher limit goes on', async () => {
    const { journal, another } = make();
    const { a, model } = looking(() => look, { repeats: 3 });
    const run = new Engine({ journal }).run(a, 'go');
    const limit = { name: 'repeats', max: 3, used: 3, tool: 'look' };
    expect(await ends(run, 'stopped')).toMatchObject({ limit, steps: 3 });
    expect(model.requests).toHaveLength(3);
    expect(typesOf(await entriesOf(journal, run.id)).slice(-2)).toEqual(['call.finished', 'run.settled']);
    const engine = new Engine({ journal: another(), agents: [a] });
    expect(await ends(engine.resume(run.id), 'stopped')).toMatchObject({ limit });
    expect(model.requests).toHaveLength(3);
    expect(await ends(engine.resume(run.id, { limits: { repeats: 5 } }), 'stopped')).toMatchObject({
      limit: { max: 5, used: 5 },
      steps: 5,
    });
  });
});

test.each<[string, (n: number) => Scripted]>([
  ['other arguments', (n) => asks(['look', { at: n }])],
  ['another result each time', () => asks(['count', {}])],
  ['two calls in turns, of which one has another result each time', (n) => (n % 2 ? look : asks(['count', {}]))],
  [
    'the same call twice in one step, and then not',
    (n) => (n % 2 ? asks(['look', { at: 'x' }], ['look', { at: 'x' }]) : asks(['count', {}])),
  ],
])('no repetition: %s', async (_, script) => {
  const { a } = looking(script, { repeats: 2, steps: 8 });
  expect(await ends(new Engine().run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'steps' } });
});

test.each<[string, (n: number) => Scripted, string]>([
  ['arguments in another order of fields', (n) => asks(['look', n % 2 ? { a: 1, b: 2 } : { b: 2, a: 1 }]), 'look'],
  ['beside other calls', (n) => asks(['count', {}], ['look', { at: 'x' }], ['look', { at: n }]), 'look'],
  ['the same failure', () => asks(['fails', {}]), 'fails'],
  ['a call of a tool that does not exist', () => asks(['made_up', {}]), 'made_up'],
])('a repetition: %s', async (_, script, called) => {
  const { a, model } = looking(script, { repeats: 4 });
  expect(await ends(new Engine().run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'repeats', max: 4, used: 4, tool: called } });
  expect(model.requests).toHaveLength(4);
});

test.each([2, 3, 4])('a round of %i calls that is made again and again', async (round) => {
  const { a, model } = looking((n) => asks(['look', { at: n % round }]), { repeats: 3 });
  expect(await ends(new Engine().run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'repeats', max: 3, used: 3, tool: 'look' } });
  expect(model.requests).toHaveLength(3 * round);
});

test('a row that was broken begins again', async () => {
  const { a, model } = looking((n) => (n === 2 ? asks(['count', {}]) : look), { repeats: 3 });
  await ends(new Engine().run(a, 'go'), 'stopped');
  expect(model.requests).toHaveLength(2 + 1 + 3);
});

test('a message of a person begins a new row, and so does the next run of a session', async () => {
  const engine: Engine = new Engine();
  const say = tool({
    name: 'say',
    description: '',
    input: anything,
    effect: 'read',
    async execute(_, { runId, step }) {
      if (step === 2) await engine.send(runId, 'Try once more.');
      return 'said';
    },
  });
  const script: Scripted[] = [
    asks(['say', {}]),
    asks(['say', {}]),
    asks(['say', {}]),
    asks(['say', {}]),
    'done',
    asks(['say', {}]),
    'done',
  ];
  const a = agent({ name: 'a', instructions: '', model: scripted(script), tools: [say], limits: { repeats: 3 } });
  await ends(engine.run(a, 'go', { session: 's' }), 'completed');
  await ends(engine.run(a, 'again', { session: 's' }), 'completed');
});

test('a limit of the run holds for its sub-agents, each by itself; one of the sub-agent ends its call only', async () => {
  const child = (limits: Limits) => {
    const { a, model } = looking(() => look, limits);
    const boss = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['a', { task: 'look for it' }])));
    return { model, boss: agent({ name: 'boss', instructions: '', model: boss, agents: [a] }) };
  };
  const whole = child({});
  expect(await ends(new Engine().run(whole.boss, 'go', { limits: { repeats: 3 } }), 'stopped')).toMatchObject({
    limit: { used: 3, tool: 'look' },
  });
  expect(whole.model.requests).toHaveLength(3);
  // the lower one counts
  const own = child({ repeats: 2 });
  const engine = new Engine();
  const run = engine.run(own.boss, 'go', { limits: { repeats: 3 } });
  expect(await ends(run, 'completed')).toMatchObject({ output: 'done' });
  expect(own.model.requests).toHaveLength(2);
  // of two that are reached at once, the one that ends less
  const both = child({ repeats: 3 });
  await ends(new Engine().run(both.boss, 'go', { limits: { repeats: 3 } }), 'completed');
});

test('without the limit an agent may repeat itself', async () => {
  const { a } = looking(() => look, { steps: 20 });
  expect(await ends(new Engine().run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'steps', used: 20 } });
});

test('the limit is a whole number of 2 or more', async () => {
  const { a } = looking(() => look, {});
  for (const repeats of [0, 1, 2.5, -1, Number.NaN, '3' as never])
    await refused('CONFIG_INVALID', new Engine().run(a, 'go', { limits: { repeats } }));
});
