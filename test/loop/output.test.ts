import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, handoff, type Model, type ModelResponse, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { until } from '../kit/time.ts';

const total = z.object({ total: z.number(), currency: z.string().default('EUR') });

describe.each(journals)('structured output on $name', ({ make }) => {
  function start(steps: readonly Scripted[]) {
    const { journal } = make();
    const model = scripted(steps);
    const engine = new Engine({ journal });
    return { run: engine.run(agent({ name: 'a', instructions: '', model, output: total }), 'go'), model, journal };
  }

  test('the model gets the schema, and the output is the parsed answer', async () => {
    const { run, model, journal } = start(['{"total": 7}']);
    expect(await run.output()).toEqual({ total: 7, currency: 'EUR' });
    expect(model.requests[0]?.output).toMatchObject({ type: 'object', properties: { total: { type: 'number' } } });
    expect((await entriesOf(journal, run.id)).at(-1)).toMatchObject({ type: 'run.settled', output: { total: 7, currency: 'EUR' } });
  });

  test('JSON in a fence is JSON', async () => {
    expect(await start(['```json\n{"total": 1}\n```']).run.output()).toEqual({ total: 1, currency: 'EUR' });
  });

  test('an answer that does not fit is repaired: the model is told what is wrong, in the journal too', async () => {
    const { run, model, journal } = start(['seven', '{"total":"x"}', '{"total":7}']);
    expect(await run.output()).toMatchObject({ total: 7 });
    const told = model.requests.map((r) => r.messages.at(-1)?.content[0]);
    expect(told[1]).toMatchObject({ type: 'text', text: expect.stringContaining('not JSON') });
    expect(told[2]).toMatchObject({ type: 'text', text: expect.stringContaining('total') });
    expect(typesOf(await entriesOf(journal, run.id)).filter((t) => t === 'message.received')).toHaveLength(2);
    expect(await run).toMatchObject({ steps: 3 });
  });

  test('an answer that never fits fails the run, with what is wrong', async () => {
    const { run } = start(['no', 'no', 'no', '{"total":1}']);
    const { error } = await ends(run, 'failed');
    expect(error).toMatchObject({ code: 'OUTPUT_INVALID', retryable: false, outcome: 'failed' });
    expect((await refused('RUN_NOT_COMPLETED', run.output())).details).toEqual(await run);
  });

  test('tools come first, then the answer is judged', async () => {
    const { journal } = make();
    const echo = tool({ name: 'echo', description: '', input: anything, execute: ({ n }) => n });
    const a = agent({
      name: 'a',
      instructions: '',
      model: scripted([asks(['echo', { n: 1 }]), '{"total":1}']),
      output: total,
      tools: [echo],
    });
    expect(await new Engine({ journal }).run(a, 'go').output()).toMatchObject({ total: 1 });
  });
});

describe.each(journals)('an output schema that does not end, on $name', ({ make }) => {
  let open = false;
  const judging = () => {
    let asked = 0;
    const output = z.object({ total: z.number().refine(() => (asked++, open || new Promise<boolean>(() => undefined))) });
    return { output, asked: () => until(() => asked > 0) };
  };
  const answers = (entries: readonly { type: string }[]) =>
    typesOf(entries).filter((type) => type === 'model.responded' || type === 'run.settled');

  // holds loop.I4
  test('does not hold up a cancelled run, and the answer is in the journal', async () => {
    open = false;
    const { journal } = make();
    const { output, asked } = judging();
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model: scripted(['{"total":1}']), output }), 'go');
    await asked();
    await engine.cancel(run.id);
    const { usage } = await ends(run, 'cancelled');
    expect(usage.output).toBeGreaterThan(0);
    expect(answers(await entriesOf(journal, run.id))).toEqual(['model.responded', 'run.settled']);
  });

  test('does not hold up a limit of time; a run that goes on asks for the answer once more', async () => {
    open = false;
    const { journal } = make();
    const { output } = judging();
    const engine = new Engine({ journal });
    const model = scripted(['{"total":1}', '{"total":2}']);
    const run = engine.run(agent({ name: 'a', instructions: '', model, output, limits: { time: 50 } }), 'go');
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'time' } });
    open = true;
    const { output: made } = await ends(engine.resume(run.id, { limits: { time: 1e9 } }), 'completed');
    // a slow machine may have stopped the first call of the model
    expect(made).toEqual({ total: model.requests.length });
    expect(model.requests.at(-1)?.messages.at(-1)?.role).toBe('user');
  });

  test('of an agent whose sub-agent took the conversation over does not hold it up either', async () => {
    open = false;
    const { journal } = make();
    const { output, asked } = judging();
    const clerk = agent({ name: 'clerk', instructions: '', model: scripted(['{"total":1}']), output: total });
    const top = agent({
      name: 'top',
      instructions: '',
      model: scripted([asks(['handoff_to_clerk', { reason: 'x' }])]),
      agents: [handoff(clerk)],
      output,
    });
    const engine = new Engine({ journal });
    const run = engine.run(top, 'go');
    await asked();
    await engine.cancel(run.id);
    await ends(run, 'cancelled');
  });
});

describe('the answer of an agent that took the conversation over', () => {
  const takenOver = (output: z.ZodType, by: z.ZodType, text: string) => {
    const clerk = agent({ name: 'clerk', instructions: '', model: scripted([text]), output: by });
    const model = scripted([asks(['handoff_to_clerk', {}])]);
    return new Engine().run(agent({ name: 'top', instructions: '', model, agents: [handoff(clerk)], output }), 'go');
  };
  const words = z.object({ words: z.string().transform((text) => text.split(' ').length) });

  test('is what the output schema of the first agent makes of it', async () => {
    const bill = z.object({ total: z.coerce.number(), currency: z.string().default('EUR') });
    const run = takenOver(bill, z.object({ total: z.string() }), '{"total":"12"}');
    expect(await run.output()).toEqual({ total: 12, currency: 'EUR' });
  });

  test('stays as it is if both have the same schema, which need not take what it has made', async () => {
    expect(await takenOver(words, words, '{"words":"one two"}').output()).toEqual({ words: 2 });
  });

  test('fails the run if the schema does not take it, or makes no JSON of it', async () => {
    const bigint = z.object({ total: z.string().transform(BigInt) }) as unknown as z.ZodType;
    for (const output of [words, bigint]) {
      const { error } = await ends(takenOver(output, z.object({ total: z.string() }), '{"total":"12"}'), 'failed');
      expect(error).toMatchObject({ code: 'OUTPUT_INVALID', message: expect.stringContaining('took the conversation over') });
    }
  });
});

/** A model that answers so, whatever it is asked. */
const answering = (response: Partial<ModelResponse>): Model => ({
  provider: 'scripted',
  id: 'm',
  generate: async () => ({ content: [{ type: 'text', text: 'part' }], stop: 'end', usage: { input: 1, output: 1 }, ...response }),
});
const run = (model: Model) => new Engine().run(agent({ name: 'a', instructions: '', model }), 'go');

describe('the end of an answer', () => {
  test('text parts make the output, reasoning does not', async () => {
    const content = [
      { type: 'reasoning', text: 'secret thought' } as const,
      { type: 'text', text: 'a' } as const,
      { type: 'text', text: 'b' } as const,
    ];
    expect(await run(answering({ content })).output()).toBe('ab');
  });

  test('cut off at the output limit fails the run, and says what to do', async () => {
    const { error } = await ends(run(answering({ stop: 'length' })), 'failed');
    expect(error).toMatchObject({ code: 'OUTPUT_TRUNCATED', message: expect.stringContaining('maxTokens') });
  });

  test('blocked by the provider fails the run', async () => {
    expect((await ends(run(answering({ stop: 'blocked' })), 'failed')).error.code).toBe('MODEL_BLOCKED');
  });

  test('the answer of a failed run is in the journal all the same, with its cost', async () => {
    const engine = new Engine();
    const r = await engine.run(agent({ name: 'a', instructions: '', model: answering({ stop: 'length' }) }), 'go');
    expect((await engine.inspect(r.runId)).messages.at(-1)).toMatchObject({ role: 'assistant', content: [{ text: 'part' }] });
    expect(r).toMatchObject({ steps: 1, usage: { input: 1, output: 1 } });
  });

  test.each(['blocked', 'length'] as const)('a call in an answer that ended as %s is not made', async (stop) => {
    const made: unknown[] = [];
    const pay = tool({ name: 'pay', description: '', input: anything, execute: (i) => made.push(i) });
    const model = answering({ content: [{ type: 'toolCall', id: '1', name: 'pay', input: { cents: 1 } }], stop });
    await new Engine().run(agent({ name: 'a', instructions: '', model, tools: [pay], limits: { steps: 1 } }), 'go');
    expect(made).toEqual([]);
  });

  test('an adapter that answers no content fails the run with a word on the adapter', async () => {
    const broken = { provider: 'mine', id: 'broken', generate: async () => ({}) } as unknown as Model;
    const { error } = await ends(run(broken), 'failed');
    expect(error).toMatchObject({ code: 'MODEL_FAILED', message: expect.stringContaining('mine/broken') });
  });

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['a text', 'done'],
    ['no stop', { content: [{ type: 'text', text: 'x' }] }],
    ['a stop that there is not', { content: [], stop: 'stop' }],
    ['content that is a text', { content: 'x', stop: 'end' }],
    ['a part that is none', { content: [null], stop: 'end' }],
    ['a part of no known kind', { content: [{ type: 'audio', data: '' }], stop: 'end' }],
    ['a text part without a text', { content: [{ type: 'text' }], stop: 'end' }],
    ['a call without a name', { content: [{ type: 'toolCall', id: '1', input: {} }], stop: 'tools' }],
  ])('an adapter that answers %s fails the run, typed', async (_, response) => {
    const odd = { provider: 'mine', id: 'odd', generate: async () => response } as unknown as Model;
    expect((await ends(run(odd), 'failed')).error).toMatchObject({ code: 'MODEL_FAILED', message: expect.stringContaining('mine/odd') });
  });

  test.each<[string, unknown]>([
    ['text for numbers', { input: '12', output: 3 }],
    ['NaN', { input: Number.NaN, output: 3 }],
    ['a negative count', { input: -5, output: 3 }],
    ['null', null],
  ])('usage that is %s is not usage: the cost is unknown, not wrong', async (_, usage) => {
    const result = await ends(run(answering({ usage: usage as never })), 'completed');
    expect(result.costUsd).toBeUndefined();
    expect(JSON.parse(JSON.stringify(result.usage))).toEqual(result.usage);
  });

  test('a model that fails for good fails the run with its code; a later resume may try again where that makes sense', async () => {
    const model = scripted([{ error: 'ACCESS_DENIED' }]);
    const denied = await ends(run(model), 'failed');
    expect(denied.error).toMatchObject({ code: 'ACCESS_DENIED', retryable: false });
    const busy = scripted([{ error: 'SERVICE_UNAVAILABLE' }, 'back']);
    const engine = new Engine({ reliability: { model: { retry: { attempts: 1 } } } });
    const failed = await ends(engine.run(agent({ name: 'b', instructions: '', model: busy }), 'go'), 'failed');
    expect(failed.error.retryable).toBe(true);
    expect(await ends(engine.resume(failed.runId), 'completed')).toMatchObject({ output: 'back' });
  });
});
