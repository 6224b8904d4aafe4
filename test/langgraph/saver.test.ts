import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Annotation, type BaseCheckpointSaver, Command, END, interrupt, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { common, type Piece, textOf } from '../../src/adapters/langgraph/delta.ts';
import { journalSaver } from '../../src/adapters/langgraph/saver.ts';
import { Engine, type Journal, memoryJournal, type Records } from '../../src/index.ts';
import type { Json } from '../../src/json.ts';
import { all } from '../kit/journals.ts';

const folder = mkdtempSync(join(tmpdir(), 'rondo-lg-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const file = () => join(folder, `${files++}.db`);
const at = (thread_id: string, checkpoint_id?: string) => ({ configurable: { thread_id, ...(checkpoint_id && { checkpoint_id }) } });

const Log = Annotation.Root({ log: Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] }), last: Annotation<string> });

/** a -> (b, c) -> d, where each node notes that it ran. */
function diamond(checkpointer: BaseCheckpointSaver, ran: string[] = []) {
  const node = (name: string) => (s: typeof Log.State) => {
    ran.push(name);
    return { log: [name], ...(name === 'd' && { last: s.log.join() }) };
  };
  return new StateGraph(Log)
    .addNode('a', node('a'))
    .addNode('b', node('b'))
    .addNode('c', node('c'))
    .addNode('d', node('d'))
    .addEdge(START, 'a')
    .addEdge('a', 'b')
    .addEdge('a', 'c')
    .addEdge(['b', 'c'], 'd')
    .addEdge('d', END)
    .compile({ checkpointer });
}
const whole = { log: ['a', 'b', 'c', 'd'], last: 'a,b,c' };

test('writes come back in the order in which their step applies them, whatever order they came in', async () => {
  const path = file();
  const config = { configurable: { thread_id: 't', checkpoint_ns: '', checkpoint_id: '1' } };
  const checkpoint = { v: 4, id: '1', ts: '', channel_values: {}, channel_versions: {}, versions_seen: {} };
  // task, path and channels, as they are to come back: by code point, which is not the order of JavaScript's strings
  const sorted = [
    ['z', undefined, ['a', 'b']],
    ['b', '~__pregel_pull, a', ['c']],
    ['d', '~__pregel_pull, \uff61', ['f']],
    ['a', '~__pregel_pull, \u{1f600}', ['d']],
    ['c', '~__pregel_pull, \u{1f600}', ['__resume__', '__interrupt__', 'e', 'a']],
  ] as const;
  for (const order of [sorted, sorted.toReversed()]) {
    const journal = sqliteJournal(path);
    const saver = journalSaver(journal);
    await saver.put({ configurable: { thread_id: 't', checkpoint_ns: '' } }, checkpoint, { source: 'loop', step: 0, parents: {} }, {});
    // with its path, which older versions do not declare
    for (const [task, at, channels] of order)
      await (saver.putWrites as (...args: unknown[]) => Promise<void>)(
        config,
        channels.map((channel) => [channel, `${task} to ${channel}`]),
        task,
        at,
      );
    const expected = sorted.flatMap(([task, , channels]) => channels.map((channel) => [task, channel, `${task} to ${channel}`]));
    for (const reader of [saver, journalSaver(journal)]) expect((await reader.getTuple(config))?.pendingWrites).toEqual(expected);
    await saver.deleteThread('t');
    await journal.close?.();
  }
});

test('a thread is a record under its id, not a run', async () => {
  for (const journal of [memoryJournal(), sqliteJournal(file())]) {
    const saver = journalSaver(journal);
    await diamond(saver).invoke({}, at('t 1'));
    await diamond(saver).invoke({}, at('t/2'));
    expect(await all(journal.heads({}))).toEqual([]);
    expect(await all((journal.records as Records).list('langgraph'))).toEqual(['t 1', 't/2']);
    await saver.deleteThread('t 1');
    expect(await all((journal.records as Records).list('langgraph'))).toEqual(['t/2']);
    expect((await all(saver.list({}))).map(({ config }) => config.configurable?.thread_id)).toContain('t/2');
    await journal.close?.();
  }
});

test('a journal without records is refused where the saver is made', () => {
  const { records: _, ...journal } = memoryJournal();
  expect(() => journalSaver(journal)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('this journal has no records') }),
  );
  expect(() => journalSaver({} as Journal)).toThrow('takes a journal');
});

test('each append has the durability of the saver', async () => {
  for (const sync of ['power', 'process', undefined] as const) {
    const { records, ...journal } = memoryJournal() as Journal & { records: Records };
    const asked: unknown[] = [];
    const append: Records['append'] = (...args) => {
      asked.push(args[3]?.sync);
      return records.append(...args);
    };
    await diamond(journalSaver({ ...journal, records: { ...records, append } }, sync && { sync })).invoke({ log: [] }, at('t'));
    expect(new Set(asked)).toEqual(new Set([sync]));
  }
});

test('a record that the saver did not write is reported, and not changed', async () => {
  const journal = memoryJournal();
  await (journal.records as Records).append('langgraph', 't', [{ hello: 'there' }]);
  await expect(journalSaver(journal).getTuple(at('t'))).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  await expect(diamond(journalSaver(journal)).invoke({ log: [] }, at('t'))).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED' });
  expect(await appendsOf(journal, 't')).toEqual([{ hello: 'there' }]);
});

/** Dies at an append: before it, or after it was stored but before anybody was told. Nothing of it is heard of again. */
function dying(journal: Journal, nth: number, when: 'before' | 'after'): Journal {
  let appends = 0;
  const records = journal.records as Records;
  const append: Records['append'] = (...args) => {
    appends++;
    if (appends > nth || (appends === nth && when === 'before')) return new Promise(() => undefined);
    const done = records.append(...args);
    return appends === nth ? new Promise(() => undefined) : done;
  };
  return { ...journal, records: { ...records, append } };
}

const appendsOf = (journal: Journal, thread: string): Promise<Json[]> => all((journal.records as Records).read('langgraph', thread));

test('a crash around any append leaves a thread that continues from there', async () => {
  const whole1 = memoryJournal();
  await diamond(journalSaver(whole1)).invoke({ log: [] }, { ...at('t'), durability: 'sync' });
  const appends = (await appendsOf(whole1, 't')).length;
  expect(appends).toBeGreaterThan(6);
  for (let nth = 1; nth <= appends; nth++)
    for (const when of ['before', 'after'] as const) {
      const journal = memoryJournal();
      const first: string[] = [];
      const ended = diamond(journalSaver(dying(journal, nth, when)), first).invoke({ log: [] }, { ...at('t'), durability: 'sync' });
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 15))]);
      const stored = await journalSaver(journal).getTuple(at('t'));
      const done = (stored?.pendingWrites ?? []).length;
      const second: string[] = [];
      const result = await diamond(journalSaver(journal), second).invoke(stored ? null : { log: [] }, at('t'));
      expect(result, `killed ${when} append ${nth}`).toEqual(whole);
      // what was stored as finished does not run again
      const again = second.filter((name) => first.includes(name));
      expect(again.length, `killed ${when} append ${nth}, ${done} writes: ${first} then ${second}`).toBeLessThanOrEqual(
        when === 'before' ? 2 : 1,
      );
    }
});

test('every checkpoint of a thread reads the same from a cold start, and time travel forks it', async () => {
  const journal = sqliteJournal(file());
  const graph = diamond(journalSaver(journal));
  await graph.invoke({ log: [] }, at('t'));
  const history = [];
  for await (const state of graph.getStateHistory(at('t'))) history.push({ values: state.values, next: state.next });
  const cold = [];
  for await (const state of diamond(journalSaver(journal)).getStateHistory(at('t'))) cold.push({ values: state.values, next: state.next });
  expect(cold).toEqual(history);
  expect(history.at(0)?.values).toEqual(whole);

  // both branches give the channel the same version, with different values
  let middle: string | undefined;
  for await (const state of graph.getStateHistory(at('t'))) if (state.next.includes('b')) middle = state.config.configurable?.checkpoint_id;
  await graph.updateState(at('t', middle), { log: ['forked'] }, 'a');
  expect(await graph.invoke(null, at('t'))).toEqual({ log: ['a', 'forked', 'b', 'c', 'd'], last: 'a,forked,b,c' });
  const states = [];
  for await (const state of diamond(journalSaver(journal)).getStateHistory(at('t'))) states.push(state.values);
  expect(states).toContainEqual(whole);
  expect(states[0]).toEqual({ log: ['a', 'forked', 'b', 'c', 'd'], last: 'a,forked,b,c' });

  // a copy of a checkpoint has its channels from neither itself nor its parent
  const before = await graph.getState(at('t'));
  const copied = await graph.updateState(before.config, null, '__copy__');
  expect((await diamond(journalSaver(journal)).getState(copied)).values).toEqual(before.values);
  await journal.close?.();
});

test('storage grows with the conversation, not with its square: on disk too', async () => {
  const bot = (checkpointer: BaseCheckpointSaver) =>
    new StateGraph(MessagesAnnotation)
      .addNode('bot', (s) => ({
        messages: [{ role: 'assistant', content: `${s.messages.length} ${'x'.repeat(200)}`, id: `a${s.messages.length}` }],
      }))
      .addEdge(START, 'bot')
      .compile({ checkpointer });
  const bytes = async (turns: number) => {
    const path = file();
    const journal = sqliteJournal(path);
    const graph = bot(journalSaver(journal));
    for (let i = 0; i < turns; i++) await graph.invoke({ messages: [{ role: 'user', content: 'y'.repeat(200), id: `u${i}` }] }, at('t'));
    const { values } = await bot(journalSaver(journal)).getState(at('t'));
    expect(values.messages).toHaveLength(2 * turns);
    expect(values.messages.at(-1)?.text).toContain(`${2 * turns - 1} x`);
    const state = JSON.stringify(values).length;
    const entries = JSON.stringify(await appendsOf(journal, 't')).length;
    await journal.close?.();
    return { state, entries, disk: statSync(path).size };
  };
  const [few, many] = [await bytes(20), await bytes(81)];
  expect(many.entries / few.entries).toBeLessThan(81 / 20 + 0.3);
  // 162 messages of 200 characters; LangGraph's own savers take 7 MB for them
  expect(many.disk).toBeLessThan(700_000);
  expect(many.disk / many.state).toBeLessThan(12);
});

test('two writers of one thread lose nothing', async () => {
  const path = file();
  const journals = [sqliteJournal(path), sqliteJournal(path)];
  const savers = journals.map((journal) => journalSaver(journal));
  const [one, two] = savers as [BaseCheckpointSaver, BaseCheckpointSaver];
  const base = await one.put(
    at('t'),
    { v: 4, id: '0', ts: '', channel_values: { log: ['x'.repeat(500)] }, channel_versions: { log: 1 }, versions_seen: {} },
    { source: 'input', step: -1, parents: {} },
    { log: 1 },
  );
  const each = Array.from({ length: 40 }, (_, i) => i);
  await Promise.all(
    each.map(async (i) => {
      const saver = i % 2 ? one : two;
      await saver.putWrites(base, [['log', i]], `task${i}`);
      await saver.put(
        base,
        { v: 4, id: `1-${i}`, ts: '', channel_values: { log: ['x'.repeat(500), i] }, channel_versions: { log: 2 }, versions_seen: {} },
        { source: 'loop', step: 0, parents: {} },
        { log: 2 },
      );
    }),
  );
  for (const saver of [...savers, journalSaver(journals[0] as Journal)]) {
    expect((await saver.getTuple(at('t', '0')))?.pendingWrites).toHaveLength(40);
    for (const i of each)
      expect((await saver.getTuple(at('t', `1-${i}`)))?.checkpoint.channel_values).toEqual({ log: ['x'.repeat(500), i] });
  }
  for (const journal of journals) await journal.close?.();
});

test('a result is kept as it was first written; an interrupt and its answer as they were written last', async () => {
  const journal = memoryJournal();
  const saver = journalSaver(journal);
  const config = await saver.put(
    at('t'),
    { v: 4, id: '1', ts: '', channel_values: {}, channel_versions: {}, versions_seen: {} },
    { source: 'input', step: -1, parents: {} },
    {},
  );
  for (const n of [1, 2]) {
    await saver.putWrites(
      config,
      [
        ['log', n],
        ['__interrupt__', n],
        ['__resume__', [n]],
      ],
      'task',
    );
    await saver.putWrites(config, [['log', n]], 'another');
  }
  for (const read of [saver, journalSaver(journal)])
    expect((await read.getTuple(config))?.pendingWrites?.sort()).toEqual([
      ['another', 'log', 1],
      ['task', '__interrupt__', 2],
      ['task', '__resume__', [2]],
      ['task', 'log', 1],
    ]);
});

test('a thread that another process deleted is gone here too, even if it was created again', async () => {
  const journal = memoryJournal();
  const [here, there] = [journalSaver(journal), journalSaver(journal)];
  await diamond(here).invoke({ log: [] }, at('t'));
  await there.deleteThread('t');
  expect(await here.getTuple(at('t'))).toBeUndefined();
  await diamond(here).invoke({ log: [] }, at('t'));
  await there.deleteThread('t');
  await diamond(there).invoke({ log: ['new'] }, at('t'));
  await diamond(there).invoke({ log: ['newer'] }, at('t'));
  expect((await diamond(here).getState(at('t'))).values.log[0]).toBe('new');
  // and what is written next is not a change to what is gone
  await there.deleteThread('t');
  await diamond(here).invoke({ log: ['newest'] }, at('t'));
  expect((await diamond(there).getState(at('t'))).values.log).toEqual(['newest', 'a', 'b', 'c', 'd']);
});

test('an interrupt waits in the file and is answered by another process', async () => {
  const path = file();
  const graph = (checkpointer: BaseCheckpointSaver) =>
    new StateGraph(Log)
      .addNode('ask', () => ({ log: [`answer ${JSON.stringify(interrupt('Really?'))}`] }))
      .addEdge(START, 'ask')
      .compile({ checkpointer });
  const first = sqliteJournal(path);
  const asked = (await graph(journalSaver(first)).invoke({ log: [] }, at('t'))) as unknown as { __interrupt__: { id: string }[] };
  await first.close?.();
  const second = sqliteJournal(path);
  const resume = new Command({ resume: { [(asked.__interrupt__[0] as { id: string }).id]: false } });
  expect(await graph(journalSaver(second)).invoke(resume as never, at('t'))).toEqual({ log: ['answer false'] });
  await second.close?.();
});

test('threads and runs live side by side in one journal', async () => {
  const journal = sqliteJournal(file());
  await diamond(journalSaver(journal)).invoke({ log: [] }, at('t'));
  const engine = new Engine({ journal });
  for await (const { runId } of engine.recover()) expect.fail(`${runId} was recovered`);
  for await (const { runId } of engine.sweep()) expect.fail(`${runId} was swept`);
  expect(await all(engine.runs())).toEqual([]);
  expect(await engine.prune({ olderThan: 0 })).toEqual({ runs: [], rewritten: [], kept: [] });
  const tuples = [];
  for await (const tuple of journalSaver(journal).list({})) tuples.push(tuple);
  expect(tuples.length).toBeGreaterThan(3);
  await engine.close();
});

test('values that are no JSON, and a serializer that says everything is bytes', async () => {
  const serde = {
    dumpsTyped: async (value: unknown): Promise<[string, Uint8Array]> => ['odd', Buffer.from(JSON.stringify(value ?? null)).reverse()],
    loadsTyped: async (_: string, data: Uint8Array | string) =>
      JSON.parse(
        Buffer.from(data as Uint8Array)
          .reverse()
          .toString(),
      ),
  };
  for (const o of [{}, { serde }]) {
    const journal = memoryJournal();
    const config = await journalSaver(journal, o).put(
      at('t'),
      {
        v: 4,
        id: '1',
        ts: '',
        channel_values: { a: 'serde' in o ? 1 : new Uint8Array([0, 255, 128]), b: '\ufeff\ufffd\u{1f600}' },
        channel_versions: { a: 1, b: 1 },
        versions_seen: {},
      },
      { source: 'input', step: -1, parents: {} },
      { a: 1, b: 1 },
    );
    const read = await journalSaver(journal, o).getTuple(config);
    expect(read?.checkpoint.channel_values).toEqual({ a: 'serde' in o ? 1 : new Uint8Array([0, 255, 128]), b: '\ufeff\ufffd\u{1f600}' });
  }
});

test('texts are the same after any history of changes', () => {
  const edit = fc.record({
    cut: fc.double({ min: 0, max: 1, noNaN: true }),
    drop: fc.nat(40),
    text: fc.string({ unit: 'binary', maxLength: 60 }),
  });
  fc.assert(
    fc.property(fc.string({ minLength: 200, maxLength: 400 }), fc.array(edit, { maxLength: 20 }), (start, edits) => {
      let piece: Piece = { length: start.length, own: start };
      let text = start;
      for (const { cut, drop, text: added } of edits) {
        const where = Math.floor(cut * text.length);
        const next = text.slice(0, where) + added + text.slice(where + drop);
        const shared = common(text, next);
        piece = shared
          ? { length: next.length, own: next.slice(shared.head, next.length - shared.tail), base: { of: piece, ...shared } }
          : { length: next.length, own: next };
        text = next;
        expect(textOf(piece)).toBe(text);
      }
    }),
  );
});
