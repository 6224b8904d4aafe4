// An engine loads what records once an SDK is there. `npm run verify -- loads` holds that it loads nothing of OpenTelemetry before.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { agent, Engine, memoryJournal, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { registerSpans, unregister } from './sdk.ts';

const API = Symbol.for('opentelemetry.js.api.1');
/** As in a process in which nothing was ever registered. */
const withoutSdk = () => {
  unregister();
  Reflect.deleteProperty(globalThis, API);
};

beforeEach(() => {
  // of a pause in memory
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  withoutSdk();
});
afterEach(() => {
  vi.restoreAllMocks();
  withoutSdk();
});

test('an SDK that is registered after a run of an engine records the next one', async () => {
  const engine = new Engine({ journal: memoryJournal() });
  const greeter = agent({ name: 'greeter', instructions: '', model: scripted(() => 'hello') });
  expect(API in globalThis).toBe(false);
  await ends(engine.run(greeter, 'go'), 'completed');
  const sdk = registerSpans();
  const run = engine.run(greeter, 'go');
  await ends(run, 'completed');
  expect(sdk.named('invoke_agent greeter').attributes).toMatchObject({ 'rondo.run.id': run.id });
});

test('runs that start while the recording loads are all recorded', async () => {
  const sdk = registerSpans();
  const engine = new Engine({ journal: memoryJournal() });
  const greeter = agent({ name: 'greeter', instructions: '', model: scripted(() => 'hello') });
  const runs = [1, 2, 3].map(() => engine.run(greeter, 'go'));
  for (const run of runs) await ends(run, 'completed');
  const recorded = sdk.spans().filter(({ name }) => name === 'invoke_agent greeter');
  expect(new Set(recorded.map(({ attributes }) => attributes['rondo.run.id']))).toEqual(new Set(runs.map(({ id }) => id)));
});

test('a process without an SDK hands on the trace that a claim before it was in', async () => {
  registerSpans();
  const journal = memoryJournal();
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
  const model = scripted(({ messages }) => (messages.length === 1 ? asks(['pay', {}]) : 'done'));
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [pay] });
  const run = new Engine({ journal }).run(clerk, 'go');
  const { approvals } = await ends(run, 'paused');
  withoutSdk();
  const elsewhere = new Engine({ journal, agents: [clerk] });
  await elsewhere.decide(run.id, [{ approval: approvals[0]?.id ?? '', type: 'approve' }], { by: { id: 'ben' } });
  await ends(elsewhere.resume(run.id), 'completed');
  const claims = (await entriesOf(journal, run.id)).flatMap((e) => (e.type === 'run.started' || e.type === 'run.claimed' ? [e.trace] : []));
  expect(claims).toHaveLength(2);
  const [first, second] = claims.map((trace) => trace?.split('-')[1]);
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(second).toBe(first);
});
