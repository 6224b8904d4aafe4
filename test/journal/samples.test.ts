import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { decode } from '../../src/journal/entries/codec.ts';
import type { Entry, EntryType } from '../../src/journal/entries/entries.ts';
import { VERSION } from '../../src/journal/entries/entries.ts';
import { apply, emptyFold } from '../../src/journal/fold/fold.ts';
import { all, entry, head, plain } from '../../src/testing/journal/kit.ts';
import { file } from './setup.ts';

interface Sample {
  rows: { seq: number; checksum: number; entries: object[] }[];
  blobs: Record<string, string>;
}
const text = (name: string) => readFileSync(join(import.meta.dirname, 'samples', name), 'utf8');
const versions = Array.from({ length: VERSION }, (_, i) => i + 1);

// the type makes sure that no kind is forgotten here
const KINDS: { readonly [T in EntryType]: 1 } = {
  'run.started': 1,
  'run.claimed': 1,
  'run.settled': 1,
  'message.received': 1,
  'context.changed': 1,
  'context.compacted': 1,
  'model.responded': 1,
  'attempt.failed': 1,
  'frame.opened': 1,
  'frame.began': 1,
  'state.changed': 1,
  'entry.omitted': 1,
  'call.started': 1,
  'call.finished': 1,
  'approval.requested': 1,
  'approval.decided': 1,
  'outcome.settled': 1,
  'memory.due': 1,
  'memory.recorded': 1,
  'intent.reopened': 1,
  'wait.began': 1,
  'call.dismissed': 1,
  'run.evaluated': 1,
  'event.rejected': 1,
};

/** `of`: `1`, or `1-tree` for the kinds of entry that only a tree of agents has. */
function entries(of: string | number): Entry[] {
  const { rows, blobs } = JSON.parse(text(`v${of}.json`)) as Sample;
  return rows.flatMap(({ seq, checksum, entries }) => {
    const decoded = decode({ seq, checksum, body: JSON.stringify(entries) }, (hash) => blobs[hash]);
    expect(decoded, `row ${seq}`).toBeDefined();
    return decoded as Entry[];
  });
}

// written out, so that a change to the reading code cannot change what is expected
const HISTORY = [
  { role: 'user', content: [{ type: 'text', text: 'My order 7 arrived broken.' }] },
  { role: 'assistant', content: [{ type: 'text', text: 'I am sorry to hear that.' }] },
];

test.each(versions)('a journal of format %i is read', (version) => {
  const read = entries(version);
  expect(read.map(({ seq }) => seq)).toEqual(read.map((_, i) => i));
  expect(read.every(({ v }) => v === VERSION)).toBe(true);
  expect(read[0]).toMatchObject({ type: 'run.started', agent: 'support', session: 'ana', history: HISTORY });
  expect(read[0]).not.toHaveProperty('blobs');
  expect(read.at(-1)).toMatchObject({ type: 'run.settled', status: 'cancelled', reason: 'solved by phone' });
});

test('recalled memory of format 1, which was texts alone, is read as facts', () => {
  const memory = (version: number) => entries(version).flatMap((e) => (e.type === 'context.changed' && e.memory ? e.memory : []));
  expect(memory(1)).toEqual([{ id: expect.stringMatching(/^[0-9a-f]{16}$/), text: 'Ana prefers e-mail.' }]);
  expect(memory(1)).toEqual(memory(1));
  expect(memory(2)).toEqual([{ id: 'mem-7', text: 'Ana prefers e-mail.', score: 0.82 }]);
});

test.each(versions)('a tree of agents of format %i is read, and folds to what it came to', (version) => {
  const run = emptyFold('run_5', 'report');
  for (const entry of entries(`${version}-tree`)) apply(run, entry);
  expect(run.outbox.size).toBe(0);
  expect(run.root.state).toEqual({ topic: 'neap tides', notes: ['by hand', 'the moon pulls', 'Two metres.'] });
  expect(run).toMatchObject({ status: 'completed', usage: { input: 21, output: 9 }, nanoUsd: 6_000_000, toolCalls: 0, steps: 2 });
  expect(run.root.children.map((f) => [f.path, f.children.map((c) => c.path)])).toEqual([
    [['report', 'desk'], [['report', 'desk', 'ocean']]],
  ]);
});

test('the samples of the newest format have every kind of entry, and both kinds of message', () => {
  const read = [...entries(VERSION), ...entries(`${VERSION}-tree`)];
  expect(new Set(read.map(({ type }) => type))).toEqual(new Set(Object.keys(KINDS)));
  expect(new Set(read.flatMap((e) => (e.type === 'message.received' ? [e.kind] : [])))).toEqual(new Set(['cancel', 'repair']));
});

test('a SQLite file of schema 1 is read and written', async () => {
  const { path, open } = file();
  const db = new DatabaseSync(path);
  db.exec(text('sqlite-1.sql'));
  db.close();
  const journal = open();
  expect(await all(journal.read('run_1'))).toEqual(entries(1));
  expect((await all(journal.heads({}))).map(plain)).toEqual([
    {
      runId: 'run_2',
      agent: 'support',
      status: 'paused',
      session: 'ana',
      tenant: 'acme',
      by: 'ana',
      wakeAt: 1763769600000,
      // it may have an open approval
      asks: true,
      startedAt: 1763683300000,
      version: 1,
    },
    {
      runId: 'run_1',
      agent: 'support',
      status: 'cancelled',
      session: 'ana',
      tenant: 'acme',
      by: 'ana',
      startedAt: 1763683200250,
      unknowns: 1,
      version: 1,
    },
  ]);
  const started = { type: 'run.claimed', v: VERSION, seq: 2, at: 9, owner: 'o', epoch: 1, fingerprint: 'f' } as const;
  const head = {
    runId: 'run_2',
    agent: 'support',
    status: 'running',
    session: 'ana',
    tenant: 'acme',
    startedAt: 1763683300000,
    version: 1,
    seq: 3,
  } as const;
  await journal.append('run_2', 2, [started], head);
  expect(await all(journal.read('run_2', 1))).toEqual([started]);
});

test('in a SQLite file of schema 1 from which runs were removed, nothing is taken for missing', async () => {
  const { path, open } = file();
  const db = new DatabaseSync(path);
  db.exec(text('sqlite-1.sql'));
  // a run was removed, and so were others before it
  db.exec(`
    UPDATE entry SET id = id + 1000; UPDATE extent SET id = id + 1000;
    DELETE FROM entry WHERE run = 1; DELETE FROM extent WHERE run = 1; DELETE FROM head WHERE run = 1`);
  const [first] = db.prepare('SELECT id, seq FROM entry ORDER BY id').all() as { id: number }[];
  expect(first?.id).toBeGreaterThan(1000);
  db.close();
  const journal = open();
  expect((await all(journal.read('run_2'))).length).toBe(2);
  await journal.append('new', 0, [entry(0)], head('new'));
  expect(await all(journal.read('new'))).toEqual([entry(0)]);
  expect((await all(journal.read('run_2'))).length).toBe(2);
  expect((await all(journal.heads({}))).filter((h) => h.doubtful)).toEqual([]);
  await journal.remove('run_2');
  expect(await all(journal.read('new'))).toEqual([entry(0)]);
});

test('a SQLite file of schema 2 is read and written, and says which of its runs are due', async () => {
  const { path, open } = file();
  const db = new DatabaseSync(path);
  db.exec(text('sqlite-2.sql'));
  db.close();
  const journal = open();
  const [paused] = await all(journal.heads({ runId: 'run_2' }));
  expect(paused).toMatchObject({ status: 'paused', wakeAt: 1795919785191, session: '~3:ana:ana', tenant: 'acme' });
  expect((await all(journal.heads({}))).filter((h) => h.doubtful)).toEqual([]);
  const due = async (status: 'running' | 'paused', now: number) => all(journal.due?.({ status, now, limit: 9 }) ?? []);
  expect(await due('paused', 1795919785190)).toEqual([]);
  expect(await due('paused', 1795919785191)).toEqual([paused]);
  const entries = await all(journal.read('run_2'));
  expect(entries.map(({ type }) => type)).toEqual(['run.started', 'model.responded', 'approval.requested', 'run.settled']);
  await journal.append('run_2', 4, [entry(4)], { ...head('run_2'), session: '~3:ana:ana', tenant: 'acme', owner: 'o', leaseUntil: 7 });
  expect((await due('running', 7)).map(({ runId }) => runId)).toEqual(['run_2']);
});

test('a SQLite file of schema 4 is read and written, keeps claims from then on, and has the tables of a new file', async () => {
  const { path, open } = file();
  const db = new DatabaseSync(path);
  db.exec(text('sqlite-4.sql'));
  const journal = open();
  expect((await all(journal.heads({}))).map(({ runId, status, doubtful }) => [runId, status, doubtful])).toEqual([
    ['run_2', 'paused', undefined],
    ['run_1', 'completed', undefined],
  ]);
  expect((await all(journal.read('run_1'))).map(({ type }) => type)).toEqual([
    'run.started',
    'model.responded',
    'call.started',
    'call.finished',
    'model.responded',
    'run.settled',
  ]);
  expect(await all(journal.records?.read('notes', 'ana') ?? [])).toEqual([{ text: 'prefers e-mail' }]);
  const key = { tenant: 'acme', intent: 'refund', key: 'refund:8' };
  expect(await journal.claim?.(key)).toBeUndefined();
  const [paused] = await all(journal.heads({ runId: 'run_2' }));
  await journal.append(
    'run_2',
    4,
    [entry(4)],
    { ...(paused as NonNullable<typeof paused>), status: 'running' },
    {
      claims: [{ ...key, call: '1.0', generation: 0, to: 'held', digest: 'd', seen: 0 }],
    },
  );
  expect(await open().claim?.(key)).toMatchObject({ state: 'held', holder: { run: 'run_2', call: '1.0' } });
  const fresh = file();
  await all(fresh.open().heads({}));
  // a column that is added later is written on its line in another way
  const told = (sql: unknown) =>
    String(sql)
      .replace(/\s*([,)])\s*/g, '$1')
      .replace(/\s+/g, ' ');
  const tables = (of: DatabaseSync) =>
    of
      .prepare('SELECT name, sql FROM sqlite_master ORDER BY name')
      .all()
      .map(({ name, sql }) => [name, told(sql)]);
  const other = new DatabaseSync(fresh.path);
  expect(tables(db)).toEqual(tables(other));
  db.close();
  other.close();
});
