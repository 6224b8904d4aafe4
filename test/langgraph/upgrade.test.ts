import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Annotation, type BaseCheckpointSaver, Command, interrupt, START, StateGraph } from '@langchain/langgraph';
import { expect, test } from 'vitest';
import { DUE_INDEXES } from '../../src/adapters/journal/sqlite/schema.ts';
import { journalSaver } from '../../src/adapters/langgraph/saver.ts';
import { Engine, type Records } from '../../src/index.ts';
import { file } from '../journal/setup.ts';
import { all } from '../kit/journals.ts';

// before version 4 of the tables, the saver stored a thread as a run of `@langgraph/checkpoints`
const SAMPLE = readFileSync(new URL('../journal/samples/sqlite-2.sql', import.meta.url), 'utf8');
const at = (thread_id: string, checkpoint_id?: string) => ({ configurable: { thread_id, ...(checkpoint_id && { checkpoint_id }) } });

const list = () => Annotation<string[]>({ reducer: (a, b) => a.concat(b), default: () => [] });
const graph = (checkpointer: BaseCheckpointSaver) =>
  new StateGraph(Annotation.Root({ log: list(), big: Annotation<string> }))
    .addNode('a', () => ({ log: ['a'] }))
    .addNode('b', () => ({ log: ['b', `answer ${JSON.stringify(interrupt('Really?'))}`] }))
    .addEdge(START, 'a')
    .addEdge('a', 'b')
    .compile({ checkpointer });

/** The file of an older version, changed by the statements. */
function older(damage = '') {
  const { path, open } = file();
  const db = new DatabaseSync(path);
  db.exec(SAMPLE + damage);
  db.close();
  return { path, open };
}

/** Version 3 of the tables is version 2 with indexes on the runs that are due. */
const VERSION_3 = `${DUE_INDEXES} PRAGMA user_version = 3;`;

test.each([
  [2, ''],
  [3, VERSION_3],
])('threads in tables of version %i are read as they were: each checkpoint, its channels and its writes', async (_, more) => {
  const saver = journalSaver(older(more).open());
  const tuples = await all(saver.list(at('done: 1')));
  expect(tuples.map(({ metadata }) => metadata?.step)).toEqual([2, 1, 0, -1]);
  const [newest, asked] = tuples;
  expect(newest?.checkpoint.channel_values.log).toEqual(expect.arrayContaining(['b', 'answer "yes"']));
  expect(asked?.pendingWrites?.map(([, channel]) => channel)).toEqual(expect.arrayContaining(['__interrupt__', '__resume__', 'log']));
  expect(new Set((await all(saver.list({}))).map(({ config }) => config.configurable?.thread_id))).toEqual(new Set(['done: 1', 'waits']));
});

test('an interrupt that an older version stored is answered, and the thread goes on', async () => {
  const { open } = older();
  const { tasks } = await graph(journalSaver(open())).getState(at('waits'));
  expect(tasks.flatMap(({ interrupts }) => interrupts)).toHaveLength(1);
  // the sample is of a newer LangGraph than the lowest one, which stores the value in another shape
  if (process.env.RONDO_PEERS !== 'lowest')
    expect(tasks.flatMap(({ interrupts }) => interrupts.map(({ value }) => value))).toEqual(['Really?']);
  const done = await graph(journalSaver(open())).invoke(new Command({ resume: 'sure' }), at('waits'));
  expect(done.log.slice(-2)).toEqual(['b', 'answer "sure"']);
  // from a cold start, and the other thread goes on too
  expect((await graph(journalSaver(open())).getState(at('waits'))).values).toEqual(done);
  const before = (await graph(journalSaver(open())).getState(at('done: 1'))).values.log;
  const again = await graph(journalSaver(open())).invoke({ log: ['again'] }, at('done: 1'));
  expect(again.log).toEqual([...before, 'again', 'a']);
});

test('they are not runs any more: neither listed, pruned nor recovered; other runs stay', async () => {
  const { path, open } = older();
  const journal = open();
  const engine = new Engine({ journal });
  const by = { id: 'ana', tenant: 'acme' };
  expect(await all(engine.runs())).toEqual([]);
  expect((await all(engine.runs({ by }))).map(({ runId }) => runId)).toEqual(['run_2', 'run_1']);
  expect((await engine.inspect('run_2', { by })).status).toBe('paused');
  for await (const { runId } of engine.recover()) expect.fail(`${runId} was recovered`);
  expect((await engine.prune({ olderThan: 0, status: ['completed', 'paused'] })).runs).toEqual(['run_1', 'run_2']);
  expect(await all((journal.records as Records).list('langgraph'))).toEqual(['done: 1', 'waits']);
  await engine.close();
  const db = new DatabaseSync(path);
  expect(db.prepare("SELECT count(*) AS n FROM entry WHERE body LIKE '%checkpoint.put%'").get()).toEqual({ n: 0 });
  db.close();
});

test('a checkpoint that was damaged before stays damaged, and the other thread is read', async () => {
  const saver = journalSaver(older("UPDATE entry SET body = replace(body, 'Really', 'Rarely') WHERE run = 4;").open());
  await expect(saver.getTuple(at('waits'))).rejects.toMatchObject({ code: 'JOURNAL_DAMAGED', details: { key: 'waits', seq: 3 } });
  expect((await saver.getTuple(at('done: 1')))?.metadata?.step).toBe(2);
});

test('a thread of many entries is moved whole', async () => {
  const more = `WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 1299)
    INSERT INTO entry (id, run, seq, body, checksum) SELECT i, 4, i, body, checksum FROM n, (SELECT body, checksum FROM entry WHERE id = 20);`;
  const { path, open } = older(more);
  await all((open().records as Records).list('langgraph'));
  const db = new DatabaseSync(path);
  const count = db.prepare("SELECT count(*) AS n FROM record_value JOIN record ON record.id = record WHERE key = 'waits'").get();
  expect(count).toEqual({ n: 1206 });
  db.close();
});
