import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import {
  type Agent,
  agent,
  approve,
  delegate,
  Engine,
  foreignAgent,
  graph,
  type Limits,
  memoryJournal,
  respond,
  tool,
  waitTool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends, failure, shown } from '../kit/runs.ts';
import { HOUR } from './setup.ts';

// the clock is the test's own: nothing here waits
// the validator of jsonSchema() is loaded at its first use, which takes real time
beforeAll(async () => void (await anything['~standard'].validate({})));
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const by = { id: 'ben' };

const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
const signing = (last: string, o: { name?: string; limits?: Limits } = {}) =>
  agent({ name: 'a', instructions: '', model: scripted([asks(['sign', {}]), last]), tools: [sign], ...o });

const waiting: readonly [string, () => Agent, input?: unknown][] = [
  ['for a person', () => signing('done')],
  [
    'for a time',
    () => agent({ name: 'a', instructions: '', model: scripted([asks(['wait', { minutes: 120 }]), 'done']), tools: [waitTool()] }),
  ],
  [
    'for a time in a graph',
    () =>
      graph({
        name: 'a',
        state: z.object({}),
        nodes: { rest: { wait: () => ({ for: 2 * HOUR }) } },
        edges: { start: 'rest', rest: 'end' },
      }),
    {},
  ],
  [
    'for the answer to a foreign agent',
    () =>
      foreignAgent({
        name: 'a',
        turn: async (turn) =>
          turn.type === 'start'
            ? { status: 'paused', state: 1, asks: [{ id: 'a', kind: 'question', question: 'Sure?' }] }
            : { status: 'completed', output: 'done' },
      }),
  ],
];
test.each(waiting)(
  'a deadline that is over stops a run that waits %s, when it is resumed; with a later one it waits on',
  async (_, made, input = 'go') => {
    const engine = new Engine({ journal: memoryJournal() });
    const one = made();
    const { runId } = await ends(engine.run(one, input, { limits: { deadline: Date.now() + HOUR } }), 'paused');
    const { seq } = await engine.inspect(runId);
    await ends(engine.resume(runId), 'paused');
    expect((await engine.inspect(runId)).seq).toBe(seq);
    await pass(HOUR);
    expect(await ends(engine.resume(runId), 'stopped')).toMatchObject({ limit: { name: 'deadline' } });
    const stopped = (await engine.inspect(runId)).seq;
    await ends(engine.resume(runId), 'stopped');
    expect((await engine.inspect(runId)).seq).toBe(stopped);
    const later = await ends(engine.resume(runId, { limits: { deadline: Date.now() + 2 * HOUR } }), 'paused');
    expect(later.approvals.length + later.waiting.length).toBe(1);
    await pass(HOUR);
    const [asked] = later.approvals;
    if (asked) await engine.decide(runId, [asked.kind === 'question' ? respond(asked, 'yes') : approve(asked)], { by });
    await ends(engine.resume(runId), 'completed');
  },
);

test('a later deadline that comes with the resume leaves it paused', async () => {
  const engine = new Engine({ journal: memoryJournal() });
  const one = signing('done');
  const { runId } = await ends(engine.run(one, 'go', { limits: { deadline: Date.now() + HOUR } }), 'paused');
  await pass(HOUR);
  await ends(engine.resume(runId, { limits: { deadline: Date.now() + HOUR } }), 'paused');
});

test('the deadline of a sub-agent that waits ends its call, and the agent above goes on', async () => {
  const clerk = (limits: Limits) => signing('never', { name: 'clerk', limits });
  for (const below of [
    (deadline: number) => clerk({ deadline }),
    // of those with which it is called
    (deadline: number) => delegate(clerk({}), { limits: { deadline } }),
  ]) {
    const engine = new Engine({ journal: memoryJournal() });
    const model = scripted([asks(['clerk', { task: 'go' }]), 'done']);
    const desk = agent({ name: 'desk', instructions: '', model, agents: [below(Date.now() + HOUR)] });
    const { runId } = await ends(engine.run(desk, 'go'), 'paused');
    await ends(engine.resume(runId), 'paused');
    await pass(HOUR);
    await ends(engine.resume(runId), 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'LIMIT_REACHED' });
  }
});
