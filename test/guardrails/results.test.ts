/** Results that come in other ways than from a call that ran just now. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { agent, clearToolResults, foreignAgent, type ModelRequest, memoryJournal, tool, waitForEvent } from '../../src/index.ts';
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
