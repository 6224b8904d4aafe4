/** What is told of a memory or a listener that fails. */
import { expect, onTestFinished, test } from 'vitest';
import { agent, Engine, type Entry, type EntryOf, type Memory, memoryJournal, ToolError } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, entryOf } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';

const by = { id: 'ana' };
const talk = () => agent({ name: 'clerk', instructions: '', model: scripted(() => 'done') });

function warnings() {
  const told: string[] = [];
  const hear = (warning: Error) => warning.name === 'RondoWarning' && told.push(warning.message);
  process.on('warning', hear);
  onTestFinished(() => void process.off('warning', hear));
  // Node emits a warning in the next tick
  return async () => (await new Promise((resolve) => setImmediate(resolve)), told);
}

const knows = (over: Partial<Memory>): Memory => ({ recall: async () => [], record: async () => undefined, ...over });
const recalledIn = (entries: readonly Entry[]) =>
  entries.find((entry): entry is EntryOf<'context.changed'> => entry.type === 'context.changed' && entry.memory !== undefined);

test.each<[string, () => unknown, string, string]>([
  [
    'throws a ToolError',
    () => Promise.reject(new ToolError('MEMORY_MISSING', 'there is no memory m-17')),
    'MEMORY_MISSING',
    'there is no memory m-17',
  ],
  ['throws something else', () => Promise.reject(new Error('password=hunter2')), 'MEMORY_FAILED', 'only the message of a ToolError'],
  ['gives no list', () => 'tea', 'MEMORY_FAILED', 'string, not a list'],
])('a memory that cannot be asked is told of once, and its code is in the journal: one that %s', async (_, recall, code, text) => {
  const told = warnings();
  const journal = memoryJournal();
  const engine = new Engine({ journal, memory: knows({ recall: recall as Memory['recall'] }) });
  for (const id of ['one', 'two']) {
    await ends(engine.run(talk(), 'hello', { by, id }), 'completed');
    expect(recalledIn(await entriesOf(journal, id))).toMatchObject({ memory: [], memoryError: code });
  }
  expect(await told()).toEqual([expect.stringContaining(`memory of agent "clerk" could not be asked what it knows, so run one goes on`)]);
  expect((await told())[0]).toContain(text);
  expect((await told())[0]).toContain(code);
  expect((await told())[0]).not.toContain('hunter2');
  expect(await all(engine.watch('one', { by }))).toContainEqual(
    expect.objectContaining({ type: 'context.changed', memory: 0, memoryError: code }),
  );
  const [record] = (await all(engine.exportTrace('one', { by }))).filter((one) => one.type === 'MEMORY_OPERATION');
  expect(record).toMatchObject({ operation: 'RECALL', facts: 0, status: 'FAILED', errorCode: code });
});

test('a memory that knows nothing has not failed', async () => {
  const told = warnings();
  const journal = memoryJournal();
  const engine = new Engine({ journal, memory: knows({}) });
  const { runId } = await ends(engine.run(talk(), 'hello', { by }), 'completed');
  expect(recalledIn(await entriesOf(journal, runId))).not.toHaveProperty('memoryError');
  const [record] = (await all(engine.exportTrace(runId, { by }))).filter((one) => one.type === 'MEMORY_OPERATION');
  expect(record).toMatchObject({ status: 'SUCCEEDED' });
  expect(record).not.toHaveProperty('errorCode');
  expect(await told()).toEqual([]);
});

test('of two memories, each is told of once where it does not record', async () => {
  const told = warnings();
  for (const name of ['first', 'second']) {
    const journal = memoryJournal();
    const memory = knows({ record: () => Promise.reject(new ToolError('THROTTLING', `${name} is busy`, { retryable: true })) });
    const engine = new Engine({ journal, memory });
    for (const n of [1, 2]) {
      const { runId } = await ends(engine.run(talk(), 'hello', { by, session: `s${n}` }), 'completed');
      expect(await entryOf(journal, runId, 'memory.recorded')).toMatchObject({ error: { code: 'THROTTLING' } });
    }
    await engine.close();
  }
  expect(await told()).toEqual(
    ['first', 'second'].map((name) => expect.stringContaining(`is not in the memory yet: THROTTLING: ${name} is busy.`)),
  );
});

test('a listener that fails is told of once, whether it throws or rejects, and disturbs no run', async () => {
  const told = warnings();
  for (const [name, fails] of [
    [
      'throwing',
      () => {
        throw new Error('throwing');
      },
    ],
    ['rejecting', () => Promise.reject(new Error('rejecting'))],
  ] as const) {
    const engine = new Engine({ onEvent: fails as () => void });
    for (let i = 0; i < 2; i++) await ends(engine.run(talk(), 'hello', { id: `${name}-${i}` }), 'completed');
  }
  expect(await told()).toEqual(
    ['throwing', 'rejecting'].map((name) => expect.stringMatching(`onEvent failed for "run.started" of run ${name}-0: .*${name}`)),
  );
});
