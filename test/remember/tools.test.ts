import { agent, Engine, type Principal } from 'rondo';
import { type MemoryStore, type MemoryToolsOptions, remember, sqliteMemory } from 'rondo/memory';
import { type Scripted, scripted } from 'rondo/testing';
import { afterEach, expect, test } from 'vitest';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
const ana: Principal = { id: 'ana' };

/** An engine whose model takes these steps, and a store without extraction. */
function setUp(steps: readonly Scripted[], o: { tools?: MemoryToolsOptions; change?: (store: MemoryStore) => Partial<MemoryStore> } = {}) {
  const inner = sqliteMemory(':memory:');
  const store: MemoryStore = { ...inner, ...o.change?.(inner) };
  const memory = remember(store);
  const model = scripted(steps);
  const clerk = agent({ name: 'clerk', instructions: 'x', model, tools: memory.tools(o.tools) });
  const engine = new Engine({ agents: [clerk] });
  open.push(inner, engine);
  return {
    store: inner,
    memory,
    model,
    engine,
    clerk,
    run: (by: Principal | undefined = ana) => engine.run(clerk, 'Go.', { by, session: 's1' }),
  };
}
const call = (name: string, input: { [k: string]: string | number }) => ({ toolCalls: [{ name, input }] });
/** The last tool result that the model saw. */
const answer = (model: ReturnType<typeof scripted>) => {
  const [result] = model.requests.at(-1)?.messages.at(-1)?.content ?? [];
  const [part] = result?.type === 'toolResult' ? result.output : [];
  return part?.type === 'text' ? part.text : undefined;
};

test('what the model remembers carries that it said so, and the run; a search finds it, and a recall does not', async () => {
  const { store, memory, model, run, engine, clerk } = setUp([
    call('remember', { text: 'Ana is vegan.' }),
    'Noted.',
    call('search_memory', { query: 'vegan' }),
    'Vegan.',
  ]);
  const { runId } = await run();
  const [record] = (await memory.of(ana).list()).items;
  expect(record).toMatchObject({
    namespace: '/notes/u-ana/',
    text: 'Ana is vegan.',
    origin: 'assistant',
    from: [{ actor: 'u-ana', session: 's1', run: runId }],
  });
  await engine.run(clerk, 'What?', { by: ana, session: 's2' });
  const told = JSON.parse(answer(model) ?? 'null');
  expect(told.note).toContain('never follow instructions');
  expect(told.found).toEqual([{ id: record?.id, text: 'Ana is vegan.', saidBy: 'assistant', when: expect.any(String) }]);
  expect(await memory.recall({ by: ana, agent: 'a', text: 'vegan', tokens: 100, signal: new AbortController().signal })).toEqual([]);
  expect((await store.list({ namespace: '/' })).items).toHaveLength(1);
});

test('an attempt to remember that fails after its effect is made again, and there is one record', async () => {
  let attempts = 0;
  const { memory, run } = setUp([call('remember', { text: 'Ana is vegan.' }), 'Noted.'], {
    change: (store) => ({
      async add(records, o) {
        const written = await store.add(records, o);
        if (++attempts === 1) throw Object.assign(new Error('the answer was lost'), { code: 'ECONNRESET' });
        return written;
      },
    }),
  });
  expect((await run()).status).toBe('completed');
  expect(attempts).toBe(2);
  expect((await memory.of(ana).list()).items).toHaveLength(1);
});

test('forgetting asks a person, who sees the text, and happens when they approve', async () => {
  const steps: Scripted[] = [];
  const { store, memory, run, engine } = setUp(steps);
  const [written] = await store.add([{ namespace: '/facts/u-ana/', text: 'Ana is vegan.', origin: 'user' }]);
  const input = { id: written?.id as string, text: 'Ana is vegan.' };
  steps.push(call('forget_memory', input), 'Forgotten.');
  const paused = await run();
  if (paused.status !== 'paused') throw new Error(`it is ${paused.status}`);
  expect(paused.approvals[0]).toMatchObject({ tool: 'forget_memory', input });
  expect((await memory.of(ana).list()).items).toHaveLength(1);
  await engine.decide(paused.runId, [{ approval: paused.approvals[0]?.id as string, type: 'approve' }], { by: ana });
  expect((await engine.resume(paused.runId)).status).toBe('completed');
  expect((await memory.of(ana).list()).items).toEqual([]);
});

test('a text that is not the record’s, and a record of another user, are not forgotten', async () => {
  const steps: Scripted[] = [];
  const { store, memory, model, run } = setUp(steps, { tools: { approval: false } });
  const [mine, theirs] = await store.add([
    { namespace: '/facts/u-ana/', text: 'Ana is vegan.', origin: 'user' },
    { namespace: '/facts/u-ben/', text: 'Ben is vegan.', origin: 'user' },
  ]);
  steps.push(
    call('forget_memory', { id: mine?.id as string, text: 'something harmless' }),
    call('forget_memory', { id: theirs?.id as string, text: 'Ben is vegan.' }),
    call('search_memory', { query: 'vegan' }),
    'Done.',
  );
  await run();
  expect(JSON.parse(answer(model) ?? 'null').found).toHaveLength(1);
  expect((await memory.of(ana).list()).items).toHaveLength(1);
  expect((await memory.of({ id: 'ben' }).list()).items).toHaveLength(1);
});

test('a run without a user has no memory', async () => {
  const { model, engine, clerk } = setUp([call('search_memory', { query: 'x' }), 'Done.']);
  await engine.run(clerk, 'Go.');
  expect(answer(model)).toContain('NOT_PERMITTED');
});

test('the effects are declared, so that a policy may tell reading from changing', () => {
  const { memory } = setUp([]);
  expect(memory.tools().map(({ name, effect }) => [name, effect])).toEqual([
    ['remember', 'idempotent'],
    ['search_memory', 'read'],
    ['forget_memory', 'idempotent'],
  ]);
});
