import { describe, expect, test } from 'vitest';
import { agent, Engine, graph, handoff, jsonSchema, type ModelRequest, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const ana = { id: 'ana' };
/** What the user and the agent said to each other, as a model was shown it. */
const said = (request: ModelRequest | undefined) =>
  (request?.messages ?? []).map(({ role, content }) => `${role}: ${content.map((p) => (p.type === 'text' ? p.text : p.type)).join(' ')}`);

/** An agent whose tool waits until the test lets it end. */
function working(then: readonly (string | ReturnType<typeof asks>)[] = ['done']) {
  const started = deferred();
  const go = deferred();
  const work = tool({
    name: 'work',
    description: '',
    input: anything,
    effect: 'idempotent',
    execute: async () => {
      started.resolve();
      await go.promise;
      return 'worked';
    },
  });
  const model = scripted([asks(['work', {}]), ...then]);
  return { a: agent({ name: 'a', instructions: '', model, tools: [work] }), model, started: started.promise, go: go.resolve };
}

describe.each(journals)('a message to a running run, on $name', ({ make }) => {
  test('is shown to the agent at its next step, after the results of the step that it came in', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { a, model, started, go } = working();
    const run = engine.run(a, 'go', { by: ana });
    await started;
    await engine.send(run.id, 'also check order 8', { by: ana });
    go();
    await ends(run, 'completed');
    expect(said(model.requests[1])).toEqual(['user: go', 'assistant: toolCall', 'tool: toolResult', 'user: also check order 8']);
  });

  test('from another process reaches the run, in the order of the messages', async () => {
    const store = make();
    const here = new Engine({ journal: store.journal });
    const there = new Engine({ journal: store.another() });
    const { a, model, started, go } = working();
    const run = here.run(a, 'go');
    await started;
    await there.send(run.id, 'one');
    await there.send(run.id, [{ type: 'text', text: 'two' }]);
    go();
    await ends(run, 'completed');
    expect(said(model.requests[1]).slice(-2)).toEqual(['user: one', 'user: two']);
  });

  test('that arrives during the last answer is not lost: the run continues', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const asked = deferred();
    const answer = deferred();
    const model = scripted(['too early', 'now with order 8']);
    const slow = {
      ...model,
      provider: model.provider,
      id: model.id,
      generate: async (...args: Parameters<typeof model.generate>) => {
        asked.resolve();
        await answer.promise;
        return model.generate(...args);
      },
    };
    const run = engine.run(agent({ name: 'a', instructions: '', model: slow }), 'go');
    await asked.promise;
    await engine.send(run.id, 'and order 8?');
    answer.resolve();
    expect((await ends(run, 'completed')).output).toBe('now with order 8');
    expect(said(model.requests[1])).toEqual(['user: go', 'assistant: too early', 'user: and order 8?']);
  });

  test('that is sent to a paused run waits for it, also over a restart', async () => {
    const store = make();
    const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
    const model = scripted([asks(['pay', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [pay] });
    const { runId, approvals } = await ends(new Engine({ journal: store.journal }).run(a, 'go', { by: ana }), 'paused');
    const other = new Engine({ journal: store.another(), agents: [a] });
    await other.send(runId, 'thanks', { by: ana });
    await other.decide(runId, [{ approval: approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(other.resume(runId), 'completed');
    expect(said(model.requests[1]).at(-1)).toBe('user: thanks');
  });

  test('is an event, and part of the conversation of later runs of the session', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const { a, model, started, go } = working(['done', 'second']);
    const run = engine.run(a, 'go', { by: ana, session: 's' });
    const events = all(run);
    await started;
    await engine.send(run.id, 'hello', { by: ana });
    go();
    await ends(run, 'completed');
    expect((await events).find((e) => e.type === 'message.received')).toMatchObject({
      content: [{ type: 'text', text: 'hello' }],
      by: ana,
    });
    await ends(engine.run(a, 'again', { by: ana, session: 's' }), 'completed');
    expect(said(model.requests[2])).toContain('user: hello');
  });
});

test('a message that comes after a handoff was answered is for the agent that handed over', async () => {
  const below = agent({ name: 'below', instructions: '', model: scripted(['from below']) });
  const model = scripted([asks(['handoff_to_below', {}]), 'top again']);
  const top = agent({ name: 'top', instructions: '', model, agents: [handoff(below)] });
  const engine = new Engine({
    onEvent: (event) => {
      if (event.type === 'agent.started') void engine.send(event.runId, 'wait');
    },
  });
  const result = await engine.run(top, 'go');
  expect(result).toMatchObject({ status: 'completed', output: 'top again' });
});

describe('what is refused', () => {
  test('a run that has ended, one of another tenant, and one that there is not', async () => {
    const engine = new Engine();
    const a = agent({ name: 'a', instructions: '', model: scripted(['x']) });
    const { runId } = await ends(engine.run(a, 'go', { by: { id: 'ana', tenant: 't' } }), 'completed');
    await refused('RUN_ENDED', engine.send(runId, 'late', { by: { id: 'ana', tenant: 't' } }));
    await refused('RUN_NOT_FOUND', engine.send(runId, 'hello', { by: { id: 'eve', tenant: 'other' } }));
    await refused('RUN_NOT_FOUND', engine.send('none', 'hello'));
  });

  test.each<[string, unknown]>([
    ['an empty text', ''],
    ['a number', 5],
    ['an empty list', []],
    ['a part of an unknown type', [{ type: 'toolResult', id: '1', output: [] }]],
    ['more than a million characters', 'x'.repeat(1_000_001)],
  ])('%s', async (_, message) => {
    const { a, started, go } = working();
    const engine = new Engine();
    const run = engine.run(a, 'go');
    await started;
    await refused('INPUT_REFUSED', engine.send(run.id, message as string));
    go();
    await ends(run, 'completed');
  });

  test('the 101st message that waits, and no message is lost', async () => {
    const { a, model, started, go } = working();
    const engine = new Engine();
    const run = engine.run(a, 'go');
    await started;
    for (let i = 0; i < 100; i++) await engine.send(run.id, `m${i}`);
    await refused('INPUT_REFUSED', engine.send(run.id, 'one more'));
    go();
    await ends(run, 'completed');
    expect(said(model.requests[1]).filter((line) => line.startsWith('user: m'))).toHaveLength(100);
  });

  test('a run of a graph', async () => {
    const pausing = graph({
      name: 'g',
      state: jsonSchema<{ ok?: boolean }>({ type: 'object', properties: { ok: { type: 'boolean' } } }),
      nodes: { ask: { ask: () => 'sure?', answer: jsonSchema<boolean>({ type: 'boolean' }), output: (ok: boolean) => ({ ok }) } },
      edges: { start: 'ask', ask: 'end' },
    });
    const engine = new Engine();
    const { runId } = await ends(engine.run(pausing, {}), 'paused');
    expect((await refused('INPUT_REFUSED', engine.send(runId, 'hello'))).message).toContain('asks no model itself');
  });

  test('a message that the content policy refuses, which is not stored', async () => {
    const engine = new Engine({
      policy: {
        decide: () => ({ allow: true }),
        content: ({ value }) => ({ allow: !JSON.stringify(value).includes('bomb'), reason: 'no' }) as never,
      },
    });
    const { a, started, go } = working();
    const run = engine.run(a, 'go');
    await started;
    await refused('INPUT_REFUSED', engine.send(run.id, 'a bomb'));
    go();
    await ends(run, 'completed');
  });
});

test('the journal has the message, and when the model saw it', async () => {
  const { journal } = (journals[0] as (typeof journals)[number]).make();
  const { a, started, go } = working();
  const engine = new Engine({ journal });
  const run = engine.run(a, 'go');
  await started;
  await engine.send(run.id, 'hello');
  go();
  await ends(run, 'completed');
  const types = typesOf(await entriesOf(journal, run.id));
  expect(types.slice(types.indexOf('message.received'))).toEqual([
    'message.received',
    'call.finished',
    'context.changed',
    'model.responded',
    'run.settled',
  ]);
});
