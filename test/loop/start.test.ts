import { describe, expect, test } from 'vitest';
import { agent, Engine, type Json, type Model, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, recording, typesOf } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';

const told = (r: { messages: readonly { role: string }[] }) => r.messages.some((m) => m.role === 'tool');

describe.each(journals)('starting the calls of an answer, on $name', ({ make }) => {
  // holds start.I2
  test('is one append with the answer, and the rest start with the result that makes room', async () => {
    const { journal, appends } = recording(make().journal);
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
    const model = scripted([asks(['look', { n: 0 }], ['look', { n: 1 }], ['look', { n: 2 }]), 'done']);
    await ends(new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [look], parallel: 2 }), 'go'), 'completed');
    const answered = appends.find(({ entries }) => entries.some((e) => e.type === 'model.responded'));
    expect(typesOf(answered?.entries ?? [])).toEqual(['model.responded', 'call.started', 'call.started']);
  });

  // holds start.I2, loop.I4
  test('of a run that is cancelled while the gate waits: the answer is written and paid for, and no call starts', async () => {
    const { journal } = make();
    const asked = deferred();
    const stop = new AbortController();
    const policy = { decide: () => (asked.resolve(), new Promise<never>(() => {})) };
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'seen' });
    const usage = { input: 10, output: 5 };
    const model = scripted([{ ...(asks(['look', {}]) as object), usage }]);
    const run = new Engine({ journal, policy }).run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'go', {
      signal: stop.signal,
    });
    await asked.promise;
    stop.abort();
    expect((await ends(run, 'cancelled')).usage).toMatchObject(usage);
    const types = typesOf(await entriesOf(journal, run.id));
    expect(types).toContain('model.responded');
    expect(types).not.toContain('call.started');
  });

  // holds start.I1, budget.I1
  test('sub-agents that race for the last calls of a limit: none runs a call that is not started, and no more run than the limit has', async () => {
    const { journal } = make();
    const unstarted: Json[] = [];
    const ran: string[] = [];
    const look = tool({
      name: 'look',
      description: '',
      input: anything,
      effect: 'read',
      execute: async (_, { runId, callId }) => {
        const entries = await entriesOf(journal, runId);
        if (!entries.some((e) => e.type === 'call.started' && e.call === callId)) unstarted.push(callId);
        ran.push(callId);
      },
    });
    const below = (name: string) =>
      agent({
        name,
        instructions: '',
        tools: [look],
        model: scripted((r) => (told(r) ? 'done' : asks(['look', { n: 0 }], ['look', { n: 1 }], ['look', { n: 2 }]))),
      });
    const names = ['a', 'b', 'c', 'd'];
    const model = scripted((r) => (told(r) ? 'all done' : asks(...names.map((n): [string, Json] => [n, { task: 'x' }]))));
    const top = agent({ name: 'top', instructions: '', model, agents: names.map(below) });
    const engine = new Engine({ journal });
    // four calls of sub-agents, and five of the twelve looks
    const run = engine.run(top, 'go', { limits: { toolCalls: 9 } });
    await ends(run, 'stopped');
    expect(unstarted).toEqual([]);
    expect(ran).toHaveLength(5);
    await ends(engine.resume(run.id, { limits: { toolCalls: 100 } }), 'completed');
    expect(unstarted).toEqual([]);
    expect(new Set(ran).size).toBe(12);
    expect(ran).toHaveLength(12);
  });

  // holds budget.I2
  test('failed, cancelled and retried calls leave no reservation behind: a later sub-agent has the whole rest', async () => {
    const { journal } = make();
    const usage = { input: 100, output: 10 };
    let failed = false;
    const failing: Model = {
      provider: 'p',
      id: 'failing',
      maxOutput: 400,
      generate: async () => {
        failed = true;
        throw new ToolError('DOWN', 'not reached', { outcome: 'not-run' });
      },
    };
    const good = scripted([{ text: 'fine', usage }]);
    const bad = agent({ name: 'bad', instructions: '', model: failing, reliability: { model: { retry: { attempts: 1 } } } });
    const fine = agent({ name: 'fine', instructions: '', model: { ...good, maxOutput: 400, generate: good.generate.bind(good) } });
    const model = scripted([
      { ...(asks(['bad', { task: 'x' }]) as object), usage },
      { ...(asks(['fine', { task: 'x' }]) as object), usage },
      { text: 'done', usage },
    ]);
    const top = agent({
      name: 'top',
      instructions: '',
      model: { ...model, maxOutput: 400, generate: model.generate.bind(model) },
      agents: [bad, fine],
    });
    const run = new Engine({ journal }).run(top, 'go', { limits: { tokens: 1_200 } });
    await until(() => failed);
    expect((await ends(run, 'completed')).output).toBe('done');
  });
});
