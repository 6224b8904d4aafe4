// A decision is told once, whether or not a process drives the run when it comes.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { agent, Engine, type Journal, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { registerSpans, unregister } from './sdk.ts';

// of a pause in memory
beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => {
  vi.restoreAllMocks();
  unregister();
});

const by = { id: 'ben@example.test' };
const slow = deferred();
const clerk = () => {
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
  const wait = tool({ name: 'wait', description: '', input: anything, effect: 'read', execute: () => slow.promise });
  const model = scripted(({ messages }) => (messages.length === 1 ? asks(['pay', {}], ['wait', {}]) : 'done'));
  return agent({ name: 'clerk', instructions: '', model, tools: [pay, wait] });
};
const approve = async (engine: Engine, runId: string) => {
  const { approvals } = await engine.inspect(runId);
  return engine.decide(runId, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by });
};
const told = (sdk: ReturnType<typeof registerSpans>) =>
  sdk
    .spans()
    .flatMap((s) => s.events.filter((e) => e.name === 'rondo.approval.decided').map((e) => ({ span: s, attributes: e.attributes })));

test('on a span of its own, in the trace of the run, while it is paused', async () => {
  const sdk = registerSpans();
  const journal: Journal = memoryJournal();
  const run = new Engine({ journal }).run(clerk(), 'go', { session: 's' });
  slow.resolve();
  await ends(run, 'paused');
  const elsewhere = new Engine({ journal, agents: [clerk()] });
  await approve(elsewhere, run.id);
  // the same decision again is not another one
  await approve(elsewhere, run.id).catch(() => undefined);
  const [only, ...others] = told(sdk);
  expect(others).toEqual([]);
  expect(only?.span.name).toBe('decide clerk');
  expect(only?.attributes).toMatchObject({ 'rondo.approval.decision': 'approve' });
  expect(only?.span.attributes).toMatchObject({ 'rondo.run.id': run.id, 'gen_ai.agent.name': 'clerk', 'session.id': 's' });
  expect(only?.span.spanContext().traceId).toBe(sdk.named('invoke_agent clerk').spanContext().traceId);
  // who decided is content
  expect(JSON.stringify([only?.attributes, only?.span.attributes])).not.toContain(by.id);
  await ends(elsewhere.resume(run.id), 'completed');
  expect(told(sdk)).toHaveLength(1);
});

test('by the process that drives the run, where one does, no matter who decides', async () => {
  for (const same of [true, false]) {
    const sdk = registerSpans();
    const journal = memoryJournal();
    const held = deferred();
    const wait = tool({ name: 'wait', description: '', input: anything, effect: 'read', execute: () => held.promise });
    const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
    const model = scripted(({ messages }) => (messages.length === 1 ? asks(['pay', {}], ['wait', {}]) : 'done'));
    const busy = agent({ name: 'clerk', instructions: '', model, tools: [pay, wait] });
    const owner = new Engine({ journal });
    const run = owner.run(busy, 'go');
    await until(async () => (await owner.inspect(run.id)).approvals.length === 1 || undefined);
    await approve(same ? owner : new Engine({ journal, agents: [busy] }), run.id);
    held.resolve();
    await ends(run, 'completed');
    expect(told(sdk).map(({ span }) => span.name)).toEqual(['invoke_agent clerk']);
    unregister();
  }
});

test('an exporter that throws disturbs no decision', async () => {
  const boom = () => {
    throw new Error('boom');
  };
  registerSpans({ processors: [{ onStart: boom, onEnd: boom, forceFlush: async () => {}, shutdown: async () => {} }] });
  const engine = new Engine();
  const run = engine.run(clerk(), 'go');
  slow.resolve();
  await ends(run, 'paused');
  await approve(engine, run.id);
  await ends(engine.resume(run.id), 'completed');
});
