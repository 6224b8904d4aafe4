/** What a model says behind a guardrail of outputs: nothing of it is told before it was checked. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { agent, foreignAgent, type Guardrail, memoryJournal, type RunEvent, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything, ends } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { blocking, masking, SECRET, watched } from './setup.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const named = (model: Parameters<typeof agent>[0]['model'], o: Partial<Parameters<typeof agent>[0]> = {}) =>
  agent({ name: 'a', instructions: '', model, ...o });
const deltas = (events: readonly RunEvent[]) =>
  events.flatMap((e) => (e.type === 'text.delta' || e.type === 'reasoning.delta' || e.type === 'tool.delta' ? [[e.type, e.text]] : []));

describe('an answer', () => {
  test('is held until it is checked; then its masked text is streamed, stored and returned', async () => {
    const journal = memoryJournal();
    const go = deferred();
    const asked = deferred();
    const guard = masking({ points: ['output'] });
    const slow: Guardrail = { ...guard, check: async (r) => (asked.resolve(), await go.promise, guard.check(r)) };
    const { engine, events } = watched({ journal, guardrails: [slow] });
    const run = engine.run(named(scripted([{ reasoning: '', text: `the word is ${SECRET}, no other` }])), 'go');
    await asked.promise;
    // the model has said all of it
    expect(deltas(events)).toEqual([]);
    go.resolve();
    const { output, runId } = await ends(run, 'completed');
    expect(output).toBe('the word is [FISH], no other');
    expect(deltas(events)).toEqual([['text.delta', 'the word is [FISH], no other']]);
    const at = events.findIndex((e) => e.type === 'model.finished');
    expect(events.findIndex((e) => e.type === 'text.delta')).toBeLessThan(at);
    expect(events[at]).toMatchObject({ verdicts: [{ guardrail: 'masking', point: 'output', action: 'mask' }] });
    expect(JSON.stringify([events, await entriesOf(journal, runId)])).not.toContain(SECRET);
  });

  test('without a guardrail of outputs streams as before', async () => {
    const { engine, events } = watched({ guardrails: [masking({ points: ['input', 'result'] })] });
    await ends(engine.run(named(scripted(['one two three'])), 'go'), 'completed');
    expect(deltas(events).length).toBeGreaterThan(1);
  });

  test('that is refused fails the run, is nowhere, and the next run of the session goes on', async () => {
    const journal = memoryJournal();
    const model = scripted([`it is ${SECRET}`, 'well']);
    const a = named(model);
    const { engine, events } = watched({ journal, guardrails: [blocking({ points: ['output'] })] });
    const { error, runId } = await ends(engine.run(a, 'go', { session: 's' }), 'failed');
    expect(error).toMatchObject({ code: 'OUTPUT_REFUSED', retryable: false });
    expect(error.message).toContain('no fish');
    expect(deltas(events)).toEqual([]);
    expect((await entriesOf(journal, runId)).find((e) => e.type === 'model.responded')).toMatchObject({
      content: [{ type: 'text', text: '(withheld: no fish)' }],
      verdicts: [{ action: 'block', findings: [{ category: 'FISH' }] }],
    });
    await ends(engine.run(a, 'next', { session: 's' }), 'completed');
    expect(JSON.stringify([events, await entriesOf(journal, runId), model.requests[1]])).not.toContain(SECRET);
  });

  test('a guardrail that fails refuses it with a code of its own', async () => {
    const broken: Guardrail = { name: 'broken', points: ['output'], check: () => Promise.reject(new Error(SECRET)) };
    const { engine, events } = watched({ guardrails: [broken] });
    const { error } = await ends(engine.run(named(scripted(['hi'])), 'go'), 'failed');
    expect(error.code).toBe('GUARDRAIL_FAILED');
    expect(JSON.stringify([events, error])).not.toContain(SECRET);
  });

  test('beside calls is checked too; refused, none of the calls is made', async () => {
    let ran = 0;
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => ++ran });
    const steps = () => [{ text: `I use ${SECRET}`, toolCalls: [{ name: 'look', input: { q: 1 } }] }, 'done'];
    const masked = watched({ guardrails: [masking({ points: ['output'] })] });
    const model = scripted(steps());
    await ends(masked.engine.run(named(model, { tools: [look] }), 'go'), 'completed');
    expect(ran).toBe(1);
    expect(deltas(masked.events)).toEqual([
      ['text.delta', 'I use [FISH]'],
      ['tool.delta', '{"q":1}'],
      ['text.delta', 'done'],
    ]);
    expect(JSON.stringify([masked.events, model.requests[1]])).not.toContain(SECRET);
    const blocked = watched({ guardrails: [blocking({ points: ['output'] })] });
    const { error } = await ends(blocked.engine.run(named(scripted(steps()), { tools: [look] }), 'go'), 'failed');
    expect(error.code).toBe('OUTPUT_REFUSED');
    expect(ran).toBe(1);
    expect(deltas(blocked.events)).toEqual([]);
  });

  test('its reasoning is masked without its signature; refused, it is left out and the answer stands', async () => {
    const thinks = {
      provider: 'p',
      id: 'm',
      generate: async () => ({
        content: [
          { type: 'reasoning' as const, text: `hm, ${SECRET}`, vendor: { signature: 'sig' } },
          { type: 'text' as const, text: 'fine' },
        ],
        stop: 'end' as const,
      }),
    };
    const said = async (guard: Guardrail) => {
      const { engine, events } = watched({ guardrails: [guard] });
      expect((await ends(engine.run(named(thinks), 'go'), 'completed')).output).toBe('fine');
      return events.find((e) => e.type === 'model.finished');
    };
    expect(await said(masking())).toMatchObject({
      message: {
        content: [
          { type: 'reasoning', text: 'hm, [FISH]' },
          { type: 'text', text: 'fine' },
        ],
      },
      verdicts: [{ of: 'reasoning', action: 'mask' }, { action: 'allow' }],
    });
    const refused = await said(blocking());
    expect(refused).toMatchObject({ message: { content: [{ type: 'reasoning', text: '(withheld)' }, { text: 'fine' }] } });
    expect(JSON.stringify(refused)).not.toContain('sig');
  });

  test('that fits a schema is checked as data, however it is written, and must fit it afterwards', async () => {
    const output = z.object({ word: z.string() });
    const spelt = `{"word":"sword\\u0066ish"}`;
    const guard = masking({ points: ['output'] });
    const { engine, events } = watched({ guardrails: [guard] });
    const { output: got } = await ends(engine.run(named(scripted([spelt]), { output }), 'go'), 'completed');
    expect(guard.asked[0]?.value).toEqual({ word: SECRET });
    expect(got).toEqual({ word: '[FISH]' });
    expect(JSON.stringify(events)).not.toMatch(/sword/);
    const strict = named(scripted(['{"word":"swordfish"}', '{"word":"ok"}']), { output: z.object({ word: z.string().regex(/^[a-z]+$/) }) });
    expect((await ends(engine.run(strict, 'go'), 'completed')).output).toEqual({ word: 'ok' });
    // an answer that is repaired was checked as well
    const text = named(scripted([`no JSON, but ${SECRET}`, '{"word":"ok"}']), { output });
    await ends(engine.run(text, 'go'), 'completed');
    expect(JSON.stringify(events)).not.toContain(SECRET);
  });

  test('the verdict of a halted check withholds what was not checked', async () => {
    const journal = memoryJournal();
    const asked = deferred();
    const never: Guardrail = { name: 'never', points: ['output'], check: () => (asked.resolve(), new Promise<never>(() => undefined)) };
    const { engine } = watched({ journal, guardrails: [never] });
    const run = engine.run(named(scripted([SECRET])), 'go');
    await asked.promise;
    await engine.cancel(run.id);
    await ends(run, 'cancelled');
    expect(JSON.stringify(await entriesOf(journal, run.id))).not.toContain(SECRET);
  });

  test('of an agent of another framework is held, checked and refused in the same way', async () => {
    const make = () =>
      foreignAgent({
        name: 'peer',
        turn: async (_, ctx) => {
          ctx.emit?.({ type: 'text', text: `it says ${SECRET}` });
          return { status: 'completed', output: `it says ${SECRET}` };
        },
      });
    const masked = watched({ guardrails: [masking()] });
    const { output } = await ends(masked.engine.run(make(), 'go'), 'completed');
    expect(output).toBe('it says [FISH]');
    expect(deltas(masked.events)).toEqual([['text.delta', 'it says [FISH]']]);
    expect(masked.events.find((e) => e.type === 'turn.finished')).toMatchObject({ verdicts: [{ point: 'output', action: 'mask' }] });
    expect(JSON.stringify(masked.events)).not.toContain(SECRET);
    const blocked = watched({ guardrails: [blocking({ points: ['output'] })] });
    const { error } = await ends(blocked.engine.run(make(), 'go'), 'failed');
    expect(error).toMatchObject({ code: 'OUTPUT_REFUSED', outcome: 'failed' });
    expect(JSON.stringify(blocked.events)).not.toContain(SECRET);
    await until(() => blocked.events.some((e) => e.type === 'run.ended'));
  });
});
