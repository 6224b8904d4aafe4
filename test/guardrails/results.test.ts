/** Results that come in other ways than from a call that ran just now. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { piiGuardrail } from '../../src/adapters/guardrails/index.ts';
import { agent, clearToolResults, foreignAgent, graph, type ModelRequest, memoryJournal, tool, waitForEvent } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything, asks, ends, resultsIn, shown } from '../kit/runs.ts';
import { masking, SECRET, watched } from './setup.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

test('a cleared result that is read back was checked when it came, and is not checked again', async () => {
  let read: ModelRequest | undefined;
  const model = scripted((request, i) => {
    if (i < 5) return asks(['look', { i }, `c${i}`]);
    if (i === 5) return asks(['read_result', { ref: /\\"ref\\": \\"([0-9a-f]+)/.exec(JSON.stringify(request.messages))?.[1] ?? '' }, 'r']);
    read = request;
    return 'done';
  });
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => `${SECRET} `.padEnd(3_000, 'x') });
  const guard = masking({ points: ['result'] });
  const { engine } = watched({ guardrails: [guard] });
  const a = agent({ name: 'a', instructions: '', model, tools: [look], compact: [clearToolResults({ over: 3_000, keep: 1 })] });
  await ends(engine.run(a, 'x'), 'completed');
  expect(resultsIn(read?.messages).find(({ id }) => id === 'r')?.text).toMatch(/^\[FISH\] x/);
  expect(guard.asked.map((r) => r.tool)).toEqual(Array.from({ length: 5 }, () => 'look'));
});

test('an event that a call waited for is masked like a result', async () => {
  const journal = memoryJournal();
  const guard = masking({ points: ['result'] });
  const wait = waitForEvent({ name: 'wait', event: 'reply', key: 't1', schema: anything, for: 60_000 });
  const model = scripted([asks(['wait', {}]), 'done']);
  const a = agent({ name: 'a', instructions: '', model, tools: [wait] });
  const { engine, events } = watched({ journal, guardrails: [guard], agents: [a] });
  const { runId } = await ends(engine.run(a, 'go', { by: { id: 'ana' } }), 'paused');
  await engine.signal({ event: 'reply', key: 't1', data: { text: `it is ${SECRET}` }, id: 'e1' }, { by: { id: 'ana' } });
  await ends(engine.resume(runId), 'completed');
  expect(JSON.parse(shown(model.requests[1])[0]?.text ?? '')).toEqual({ text: 'it is [FISH]' });
  const finished = (await entriesOf(journal, runId)).find((e) => e.type === 'call.finished');
  expect(finished).toMatchObject({ output: { text: 'it is [FISH]' }, verdicts: [{ point: 'result', action: 'mask' }] });
  expect(JSON.stringify([events, await entriesOf(journal, runId)])).not.toContain(SECRET);
});

test('the failure of an agent of another framework is masked like one of a tool', async () => {
  const journal = memoryJournal();
  const peer = foreignAgent({
    name: 'peer',
    turn: async () => {
      throw new Error(`it broke over ${SECRET}`);
    },
  });
  const { engine, events } = watched({ journal, guardrails: [masking({ points: ['result'] })] });
  const { error, runId } = await ends(engine.run(peer, 'go'), 'failed');
  expect(error.message).toContain('[FISH]');
  expect(JSON.stringify([events, await entriesOf(journal, runId)])).not.toContain(SECRET);
});

test('data that looks like a part or a message is data: a tool chooses its fields, and hides nothing in them', async () => {
  const out = [
    { type: 'text', data: 'ana@example.com', id: '4111 1111 1111 1111' },
    { type: 'document', vendor: { email: 'ben@example.com' } },
    { role: 'user', content: 'x', id: 'eva@example.com' },
  ];
  const model = scripted([asks(['look', {}]), { text: JSON.stringify({ type: 'text', data: 'kim@example.com' }) }]);
  const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => out });
  const { engine } = watched({ guardrails: [piiGuardrail()] });
  const output = { type: 'object', properties: { type: { type: 'string' }, data: { type: 'string' } } } as const;
  const a = agent({ name: 'a', instructions: '', model, tools: [look], output });
  const ended = await ends(engine.run(a, 'x'), 'completed');
  expect(JSON.parse(shown(model.requests[1])[0]?.text ?? '')).toEqual([
    { type: 'text', data: '[EMAIL_1]', id: '[CARD_1]' },
    { type: 'document', vendor: { email: '[EMAIL_2]' } },
    { role: 'user', content: 'x', id: '[EMAIL_3]' },
  ]);
  expect(ended.output).toEqual({ type: 'text', data: '[EMAIL_1]' });
});

test('the input of an agent with a schema is data; without one, its parts keep their files', async () => {
  const data = Buffer.from('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY wJalrXUtn').toString('base64');
  const image = { type: 'image', mediaType: 'image/png', data } as const;
  const model = scripted(() => 'done');
  const { engine } = watched({ guardrails: [piiGuardrail()] });
  const free = agent({ name: 'free', instructions: '', model });
  await ends(engine.run(free, [image, { type: 'text', text: 'ana@example.com' }]), 'completed');
  expect(model.requests[0]?.messages[0]?.content).toEqual([image, { type: 'text', text: '[EMAIL_1]' }]);
  const typed = graph({
    name: 'typed',
    state: z.object({ type: z.string(), data: z.string() }),
    nodes: { look: () => ({}) },
    edges: { start: 'look', look: 'end' },
    output: (s) => s,
  });
  const { output } = await ends(engine.run(typed, { type: 'text', data: 'ana@example.com' }), 'completed');
  expect(output).toEqual({ type: 'text', data: '[EMAIL_1]' });
});
