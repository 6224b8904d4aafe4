import { describe, expect, test } from 'vitest';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, shown } from '../kit/runs.ts';
import { type Deferred, deferred, settle, until } from '../kit/time.ts';

/** A tool whose calls end when the test says so. */
function gated() {
  const started: number[] = [];
  const doors = new Map<number, Deferred>();
  let most = 0;
  let now = 0;
  const wait = tool({
    name: 'wait',
    description: '',
    input: anything,
    effect: 'read',
    execute: async ({ n }) => {
      started.push(n as number);
      const door = deferred();
      doors.set(n as number, door);
      most = Math.max(most, ++now);
      await door.promise;
      now--;
      return `result ${n}`;
    },
  });
  return { wait, started, open: (n: number) => doors.get(n)?.resolve(), most: () => most };
}

const calls = (count: number) => asks(...Array.from({ length: count }, (_, n) => ['wait', { n }] as const));

describe.each(journals)('parallel calls on $name', ({ make }) => {
  test('run at the same time; entries keep the order of completion, messages the order asked', async () => {
    const { journal } = make();
    const { wait, started, open } = gated();
    const model = scripted([calls(3), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [wait] }), 'go');
    await until(() => started.length === 3);
    for (const n of [2, 0, 1]) {
      open(n);
      await settle();
    }
    await ends(run, 'completed');
    const log = await entriesOf(journal, run.id);
    expect(log.flatMap((e) => (e.type === 'call.finished' ? [e.output] : []))).toEqual(['result 2', 'result 0', 'result 1']);
    expect(shown(model.requests[1]).map((s) => [s.id, s.text])).toEqual([
      ['wait-0', 'result 0'],
      ['wait-1', 'result 1'],
      ['wait-2', 'result 2'],
    ]);
    expect(model.requests[1]?.messages.filter((m) => m.role === 'tool')).toHaveLength(1);
  });

  test('never exceed the cap, and start in the order asked', async () => {
    const { journal } = make();
    const { wait, started, open, most } = gated();
    const a = agent({ name: 'a', instructions: '', model: scripted([calls(5), 'done']), tools: [wait], parallel: 2 });
    const run = new Engine({ journal }).run(a, 'go');
    for (let n = 0; n < 5; n++) {
      await until(() => started.includes(n));
      await settle(5);
      expect(started.length).toBeLessThanOrEqual(n + 2);
      open(n);
    }
    await ends(run, 'completed');
    expect(most()).toBe(2);
    expect(started).toEqual([0, 1, 2, 3, 4]);
  });

  // holds start.I4
  test('a queued call is journaled with the result that makes room for it, before it runs', async () => {
    const { journal } = make();
    const { wait, started, open } = gated();
    const a = agent({ name: 'a', instructions: '', model: scripted([calls(3), 'done']), tools: [wait], parallel: 2 });
    const run = new Engine({ journal }).run(a, 'go');
    await until(() => started.length === 2);
    expect(typesOf(await entriesOf(journal, run.id)).filter((t) => t === 'call.started')).toHaveLength(2);
    open(0);
    await until(() => started.length === 3);
    expect(typesOf(await entriesOf(journal, run.id)).slice(-2)).toEqual(['call.finished', 'call.started']);
    open(1);
    open(2);
    await ends(run, 'completed');
  });

  // holds loop.I2
  test('the model is not asked before the last result is in the journal', async () => {
    const { journal } = make();
    const { wait, started, open } = gated();
    const model = scripted([calls(2), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [wait] }), 'go');
    await until(() => started.length === 2);
    open(1);
    await settle();
    expect(model.requests).toHaveLength(1);
    open(0);
    await ends(run, 'completed');
    const log = typesOf(await entriesOf(journal, run.id));
    expect(log.lastIndexOf('call.finished')).toBeLessThan(log.lastIndexOf('model.responded'));
  });

  test('a call that fails leaves its siblings alone', async () => {
    const { journal } = make();
    const { wait, started, open } = gated();
    const fail = tool({ name: 'fail', description: '', input: anything, execute: () => Promise.reject(new Error('broken')) });
    const model = scripted([asks(['wait', { n: 0 }], ['fail', {}], ['wait', { n: 1 }]), 'done']);
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [wait, fail] }), 'go');
    await until(() => started.length === 2);
    open(0);
    open(1);
    await ends(run, 'completed');
    expect(shown(model.requests[1]).map((s) => [s.id, s.isError])).toEqual([
      ['wait-0', false],
      ['fail-1', true],
      ['wait-2', false],
    ]);
  });
});

test('without a cap of its own an agent runs eight calls at a time', async () => {
  const { wait, started, open, most } = gated();
  const a = agent({ name: 'a', instructions: '', model: scripted([calls(10), 'done']), tools: [wait] });
  const run = new Engine().run(a, 'go');
  await settle();
  expect(started).toHaveLength(8);
  for (let n = 0; n < 10; n++) {
    await until(() => started.includes(n));
    open(n);
  }
  await ends(run, 'completed');
  expect(most()).toBe(8);
});

test('every call has a Rondo id, whatever id the model gave, even the same one twice', async () => {
  const seen: string[] = [];
  const keys = new Set<string>();
  const note = tool({
    name: 'note',
    description: '',
    input: anything,
    execute: ({ n }, { callId, idempotencyKey }) => {
      seen.push(callId);
      keys.add(idempotencyKey);
      return n;
    },
  });
  const model = scripted([asks(['note', { n: 1 }, 'same'], ['note', { n: 2 }, 'same']), asks(['note', { n: 3 }, 'same']), 'done']);
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [note] }), 'go'), 'completed');
  expect(seen).toEqual(['1.0', '1.1', '6.0']);
  expect(keys.size).toBe(3);
  expect(shown(model.requests[2]).map((s) => s.text)).toEqual(['1', '2', '3']);
});
