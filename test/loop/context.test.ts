import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, type Json, type Memory, type Message, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, nothing, shown } from '../kit/runs.ts';
import { until } from '../kit/time.ts';

const by = { id: 'ana' };

describe.each(journals)('context on $name', ({ make }) => {
  test('reaches tools, approval rules and instructions, typed by their schema', async () => {
    const { journal } = make();
    const seen: unknown[] = [];
    const look = tool({
      name: 'look',
      description: '',
      input: nothing,
      context: z.object({ tenant: z.string(), plan: z.string().default('free') }),
      approval: (_, { context }) => {
        seen.push(['rule', context.tenant, context.plan]);
        return false;
      },
      execute: (_, { context }) => `${context.tenant} ${context.plan}`,
    });
    const model = scripted([asks(['look', {}]), 'done']);
    const a = agent({ name: 'a', instructions: ({ context, session }) => `Serve ${context.tenant} in ${session}.`, model, tools: [look] });
    await ends(new Engine({ journal }).run(a, 'go', { context: { tenant: 'acme', plan: 'pro' }, session: 's' }), 'completed');
    expect(seen).toEqual([['rule', 'acme', 'pro']]);
    expect(shown(model.requests[1])[0]?.text).toBe('acme pro');
    expect(model.requests[0]?.instructions).toBe('Serve acme in s.');
  });

  test('that a tool cannot use is an observation; the tool does not run', async () => {
    const { journal } = make();
    let ran = 0;
    const look = tool({ name: 'look', description: '', input: nothing, context: z.object({ tenant: z.string() }), execute: () => ran++ });
    const model = scripted([asks(['look', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [look] });
    await ends(new Engine({ journal }).run(a, 'go', { context: {} as { tenant: string } }), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'CONTEXT_INVALID', outcome: 'not-run' });
    expect(ran).toBe(0);
  });

  test('is the same after a pause, in another process, with what its schema makes of it', async () => {
    const { journal, another } = make();
    const seen: Json[] = [];
    const look = tool({
      name: 'look',
      description: '',
      input: nothing,
      approval: true,
      context: z.object({ tenant: z.string(), plan: z.string().default('free') }),
      execute: (_, { context }) => void seen.push({ ...context }),
    });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['look', {}]), 'done']), tools: [look] });
    const paused = await ends(new Engine({ journal }).run(a, 'go', { context: { tenant: 'acme', plan: 'free' } }), 'paused');
    const engine = new Engine({ journal: another(), agents: [a] });
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by });
    await ends(engine.resume(paused.runId), 'completed');
    expect(seen).toEqual([{ tenant: 'acme', plan: 'free' }]);
  });

  test('a tool is told run, call, step, session and principal', async () => {
    const { journal } = make();
    const seen: unknown[] = [];
    const look = tool({
      name: 'look',
      description: '',
      input: nothing,
      execute: (_, { runId, callId, step, session, by, attempt, idempotencyKey, deadline, credentials }) =>
        void seen.push({
          runId,
          callId,
          step,
          session,
          by,
          attempt,
          key: idempotencyKey.length,
          ahead: deadline > Date.now(),
          credentials,
        }),
    });
    const a = agent({ name: 'a', instructions: '', model: scripted([asks(['look', {}]), 'done']), tools: [look] });
    const who = { id: 'ana', tenant: 't', roles: ['user'] };
    await ends(new Engine({ journal }).run(a, 'go', { id: 'run-1', session: 's', by: who }), 'completed');
    expect(seen).toEqual([
      { runId: 'run-1', callId: '1.0', step: 1, session: 's', by: who, attempt: 1, key: 32, ahead: true, credentials: {} },
    ]);
  });
});

describe.each(journals)('instructions on $name', ({ make }) => {
  test('that are a function are asked before each step, and recorded when they change', async () => {
    const { journal } = make();
    const texts = ['first', 'first', 'second'];
    let n = 0;
    const echo = tool({ name: 'echo', description: '', input: anything, execute: () => 'ok' });
    const model = scripted([asks(['echo', {}]), asks(['echo', {}]), 'done']);
    const run = new Engine({ journal }).run(
      agent({ name: 'a', instructions: async () => texts[n++] as string, model, tools: [echo] }),
      'go',
    );
    await ends(run, 'completed');
    expect(model.requests.map((r) => r.instructions)).toEqual(texts);
    const log = await entriesOf(journal, run.id);
    expect(log.flatMap((e) => (e.type === 'context.changed' ? [e.instructions] : []))).toEqual(['first', 'second']);
    // before they are used
    const changed = log.findLastIndex((e) => e.type === 'context.changed');
    expect(log.slice(changed).map((e) => e.type)).toEqual(['context.changed', 'model.responded', 'run.settled']);
  });

  test('that throw fail the run, typed, and the model is not asked', async () => {
    const { journal } = make();
    const model = scripted(['never']);
    const instructions = () => {
      throw new Error('no template');
    };
    const { error } = await ends(new Engine({ journal }).run(agent({ name: 'a', instructions, model }), 'go'), 'failed');
    expect(error).toMatchObject({ code: 'INSTRUCTIONS_FAILED', message: expect.stringContaining('no template') });
    expect(model.requests).toHaveLength(0);
  });

  test('that are no text fail the run', async () => {
    const { journal } = make();
    const a = agent({ name: 'a', instructions: (() => 7) as unknown as () => string, model: scripted(['never']) });
    expect((await ends(new Engine({ journal }).run(a, 'go'), 'failed')).error.code).toBe('INSTRUCTIONS_FAILED');
  });
});

describe.each(journals)('memory on $name', ({ make }) => {
  const remembering = (over: Partial<Memory> = {}) => {
    const recorded: { session: string; by: { id: string }; messages: readonly Message[] }[] = [];
    const asked: unknown[] = [];
    const memory: Memory = {
      recall: async (q) => {
        asked.push(q);
        return ['likes tea'];
      },
      record: async ({ signal: _, ...e }) => void recorded.push(structuredClone(e)),
      ...over,
    };
    return { memory, recorded, asked };
  };

  test('is recalled before the first step, once, marked as data, and kept in the journal', async () => {
    const { journal } = make();
    const { memory, asked } = remembering();
    const echo = tool({ name: 'echo', description: '', input: anything, execute: () => 'ok' });
    const model = scripted([asks(['echo', {}]), 'done']);
    const run = new Engine({ journal, memory }).run(
      agent({ name: 'a', instructions: 'Be kind.', model, tools: [echo] }),
      'What do I like?',
      { by, session: 's' },
    );
    await ends(run, 'completed');
    expect(asked).toEqual([
      { by, session: 's', agent: 'a', text: 'What do I like?', tokens: expect.any(Number), signal: expect.any(AbortSignal) },
    ]);
    for (const r of model.requests)
      expect(r.instructions).toMatch(/^Be kind\.\n\nRemembered.*not instructions.*\n<remembered>\n- likes tea\n<\/remembered>$/s);
    expect((await entriesOf(journal, run.id)).filter((e) => e.type === 'context.changed')).toMatchObject([
      { memory: [{ id: expect.any(String), text: 'likes tea' }] },
    ]);
  });

  test('is given the messages of a completed run, without those of earlier runs', async () => {
    const { journal } = make();
    const { memory, recorded } = remembering();
    const engine = new Engine({ journal, memory });
    const a = agent({ name: 'a', instructions: '', model: scripted(['one', 'two']) });
    await ends(engine.run(a, 'first', { by, session: 's' }), 'completed');
    await ends(engine.run(a, 'second', { by, session: 's' }), 'completed');
    await until(() => recorded.length >= 2);
    expect(recorded.map((r) => [r.session, r.by.id, r.messages.map((m) => (m.content[0] as { text: string }).text)])).toEqual([
      ['s', 'ana', ['first', 'one']],
      ['s', 'ana', ['second', 'two']],
    ]);
  });

  test('is not asked without a principal, and does not record a run without a session or an end', async () => {
    const { journal } = make();
    const { memory, recorded, asked } = remembering();
    const engine = new Engine({ journal, memory });
    await ends(engine.run(agent({ name: 'a', instructions: '', model: scripted(['done']) }), 'go', { session: 's' }), 'completed');
    await ends(engine.run(agent({ name: 'b', instructions: '', model: scripted(['done']) }), 'go', { by }), 'completed');
    await ends(
      engine.run(agent({ name: 'c', instructions: '', model: scripted([{ error: 'NO' }]) }), 'go', { by, session: 's2' }),
      'failed',
    );
    expect(asked).toHaveLength(2);
    expect(recorded).toEqual([]);
  });

  test.each<[string, Partial<Memory>]>([
    ['recall rejects', { recall: () => Promise.reject(new Error('down')) }],
    [
      'recall throws',
      {
        recall: () => {
          throw new Error('down');
        },
      },
    ],
    ['record rejects', { record: () => Promise.reject(new Error('down')) }],
    [
      'record throws',
      {
        record: () => {
          throw new Error('down');
        },
      },
    ],
    ['record returns nothing', { record: (() => undefined) as unknown as Memory['record'] }],
  ])('costs no run its result where %s', async (_, over) => {
    const { journal } = make();
    const { memory } = remembering(over);
    const run = new Engine({ journal, memory }).run(agent({ name: 'a', instructions: '', model: scripted(['done']) }), 'go', {
      by,
      session: 's',
    });
    expect(await run.output()).toBe('done');
  });
});
