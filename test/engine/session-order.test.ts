import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine, type Journal, type ModelRequest, tool } from '../../src/index.ts';
import type { ToolSource } from '../../src/ports/tool.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, dies, entriesOf, expireLease, headOf, journals } from '../kit/journals.ts';
import { anything, ends, refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const NOW = 1_800_000_000_000;
/** Sets the wall clock of all processes of the test. */
function clock(at: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: at });
  onTestFinished(() => void vi.useRealTimers());
}

/** What users said, as the model sees it. */
const said = ({ messages }: ModelRequest) =>
  messages
    .filter(({ role }) => role === 'user')
    .map(({ content: [part] }) => (part?.type === 'text' ? part.text : ''))
    .join('|');

/** An agent that keeps what it was told in each run. */
function listener(seen: string[], more: object = {}) {
  const model = scripted((request) => {
    seen.push(said(request));
    return 'ok';
  });
  return agent({ name: 'a', instructions: '', model, ...more });
}

/** A journal that does something before the first entry of a run is appended, when the run has looked at its session. */
const meanwhile = (journal: Journal, runId: string, act: () => Promise<unknown>): Journal =>
  around(journal, {
    async append(...args) {
      if (args[0] === runId && args[1] === 0) await act();
      return journal.append(...args);
    },
  });

describe.each(journals)('the next run of a session on $name goes on', ({ make }) => {
  test('from one that began and ended while the tools of this one were listed', async () => {
    const { journal, another } = make();
    const opening = deferred();
    const asked = deferred();
    const source: ToolSource = {
      name: 'slow',
      async open() {
        asked.resolve();
        await opening.promise;
        return { list: async () => [], close: async () => undefined };
      },
    };
    const seen: string[] = [];
    const a = listener(seen);
    const [cold, warm] = [new Engine({ journal }), new Engine({ journal: another() })];
    await warm.run(a, 'one', { session: 's' });
    const two = cold.run(listener(seen, { tools: [source] }), 'two', { session: 's' });
    await asked.promise;
    await ends(warm.run(a, 'three', { session: 's' }), 'completed');
    opening.resolve();
    await ends(two, 'completed');
    await warm.run(a, 'four', { session: 's' });
    expect(seen).toEqual(['one', 'one|three', 'one|three|two', 'one|three|two|four']);
  });

  test('from one that began and ended after this one had looked, and says so in its journal', async () => {
    const { journal, another } = make();
    const seen: string[] = [];
    const a = listener(seen);
    const other = new Engine({ journal: another() });
    await other.run(a, 'one', { session: 's' });
    const raced = meanwhile(journal, 'two', () => other.run(a, 'three', { session: 's', id: 'three' }).output());
    await ends(new Engine({ journal: raced }).run(a, 'two', { session: 's', id: 'two' }), 'completed');
    await other.run(a, 'four', { session: 's' });
    expect(seen).toEqual(['one', 'one|three', 'one|three|two', 'one|three|two|four']);
    const claim = (await entriesOf(journal, 'two'))[1];
    expect(claim).toMatchObject({ type: 'run.claimed', previous: 'three', epoch: 1 });
    const { messages } = await other.inspect('two');
    expect(messages.flatMap((m) => (m.role === 'user' ? m.content : []))).toMatchObject([
      { text: 'one' },
      { text: 'three' },
      { text: 'two' },
    ]);
  });

  test('from the rest of one that stopped, and was completed after this one had looked', async () => {
    const { journal, another } = make();
    const seen: string[] = [];
    const a = listener(seen);
    const other = new Engine({ journal: another() });
    const short = listener(seen, { limits: { steps: 0 } });
    await ends(other.run(short, 'one', { session: 's', id: 'one' }), 'stopped');
    const raced = meanwhile(journal, 'two', () => other.resume('one', { agent: short, limits: { steps: 5 } }).output());
    const two = new Engine({ journal: raced });
    await ends(two.run(a, 'two', { session: 's', id: 'two' }), 'completed');
    expect((await two.inspect('two')).messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
  });

  test('from one that began and ended after this one had looked, also where its process died then', async () => {
    const { journal, another } = make();
    const seen: string[] = [];
    const a = listener(seen);
    const other = new Engine({ journal: another(), agents: [a] });
    await other.run(a, 'one', { session: 's' });
    const raced = meanwhile(journal, 'two', () => other.run(a, 'three', { session: 's' }).output());
    const dying = dies(raced, ({ type }) => type === 'run.claimed');
    await new Engine({ journal: dying }).run(a, 'two', { session: 's', id: 'two' }).catch(() => undefined);
    expect(await entriesOf(journal, 'two')).toHaveLength(1);
    await expireLease(journal, 'two');
    await ends(other.resume('two'), 'completed');
    await other.run(a, 'four', { session: 's' });
    expect(seen).toEqual(['one', 'one|three', 'one|three|two', 'one|three|two|four']);
  });

  test('from the run that began last, whatever the clocks of their processes say', async () => {
    const { journal, another } = make();
    const seen: string[] = [];
    const a = listener(seen);
    const [first, second] = [new Engine({ journal }), new Engine({ journal: another() })];
    clock(NOW);
    await first.run(a, 'one', { session: 's', id: 'one' });
    clock(NOW - 3_000);
    await second.run(a, 'two', { session: 's', id: 'two' });
    clock(NOW + 500);
    await first.run(a, 'three', { session: 's', id: 'three' });
    await first.run(a, 'four', { session: 's', id: 'four' });
    expect(seen.at(-1)).toBe('one|two|three|four');
    const started = await Promise.all(['one', 'two', 'three', 'four'].map(async (id) => (await headOf(journal, id))?.startedAt ?? 0));
    expect(started).toEqual([NOW, NOW + 1, NOW + 500, NOW + 501]);
    // lists of runs rely on it that no entry is older than its run
    expect(Math.min(...(await entriesOf(journal, 'two')).map(({ at }) => at))).toBe(NOW + 1);
  });

  test('from a queued one that a process with a slow clock enqueued', async () => {
    const { journal, another } = make();
    const seen: string[] = [];
    const a = listener(seen);
    const [first, second] = [new Engine({ journal, agents: [a] }), new Engine({ journal: another() })];
    clock(NOW);
    await first.run(a, 'one', { session: 's' });
    clock(NOW - 3_000);
    const two = await second.enqueue(a, 'two', { session: 's' });
    const three = await second.enqueue(a, 'three', { session: 's' });
    clock(NOW + 500);
    await ends(first.resume(two.runId), 'completed');
    await ends(first.resume(three.runId), 'completed');
    await first.run(a, 'four', { session: 's' });
    expect(seen).toEqual(['one', 'one|two', 'one|two|three', 'one|two|three|four']);
  });

  test('from a queued one beside which this one had begun', async () => {
    const { journal, another } = make();
    const seen: string[] = [];
    const a = listener(seen);
    const other = new Engine({ journal: another(), agents: [a] });
    clock(NOW);
    await other.run(a, 'one', { session: 's' });
    const raced = meanwhile(journal, 'two', async () => {
      await other.enqueue(a, 'queued', { session: 's', id: 'queued' });
      clock(NOW + 500);
    });
    await ends(new Engine({ journal: raced }).run(a, 'two', { session: 's', id: 'two' }), 'completed');
    clock(NOW + 1_000);
    await ends(other.resume('queued'), 'completed');
    await other.run(a, 'four', { session: 's' });
    expect(seen).toEqual(['one', 'one|two', 'one|two|queued', 'one|two|queued|four']);
    const runs = [];
    for await (const { runId } of other.runs({ session: 's' })) runs.push(runId);
    expect(runs.slice(1, 3)).toEqual(['queued', 'two']);
  });
});

test.each(journals)('a run that cannot begin in its session opens no source of tools, on $name', async ({ make }) => {
  const { journal } = make();
  let opened = 0;
  const source: ToolSource = {
    name: 'counted',
    async open() {
      opened++;
      return { list: async () => [], close: async () => undefined };
    },
  };
  const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
  const model = scripted([{ toolCalls: [{ name: 'sign', input: {} }] }]);
  const a = listener([], { tools: [source] });
  const engine = new Engine({ journal, agents: [a] });
  await ends(engine.run(agent({ name: 'asks', instructions: '', model, tools: [sign] }), 'go', { session: 's' }), 'paused');
  const queued = await engine.enqueue(a, 'queued', { session: 's' });
  await refused('SESSION_BUSY', engine.run(a, 'new', { session: 's' }));
  await refused('SESSION_BUSY', engine.resume(queued.runId));
  expect(opened).toBe(0);
});

test('an approval of a run whose clock is slow is listed behind those of the runs before it', async () => {
  for (const { make } of journals) {
    const { journal } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 'signed' });
    const model = scripted(({ messages }) => (messages.length === 1 ? { toolCalls: [{ name: 'sign', input: {} }] } : 'ok'));
    const a = agent({ name: 'a', instructions: '', model, tools: [sign] });
    const engine = new Engine({ journal });
    clock(NOW);
    await ends(engine.run(a, 'one', { id: 'one' }), 'paused');
    await ends(engine.run(listener([]), 'before', { session: 's' }), 'completed');
    clock(NOW - 3_000);
    const b = agent({ name: 'b', instructions: '', model: scripted([{ toolCalls: [{ name: 'sign', input: {} }] }]), tools: [sign] });
    await ends(engine.run(b, 'two', { session: 's', id: 'two' }), 'paused');
    const listed = [];
    for await (const { runId } of engine.approvals()) listed.push(runId);
    expect(listed).toEqual(['one', 'two']);
  }
});
