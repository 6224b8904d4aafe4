import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from '@langchain/langgraph';
import { afterAll, expect, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { journalSaver, type PendingApprovals } from '../../src/adapters/langgraph/index.ts';
import type { CheckpointData } from '../../src/adapters/langgraph/record.ts';
import { type Approval, type Journal, memoryJournal, type Records, type RunResult } from '../../src/index.ts';
import { all } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { diamond, nested, notes, THREAD } from './world.ts';

const folder = mkdtempSync(join(tmpdir(), 'rondo-lg-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
function place() {
  const path = join(folder, `${files++}`);
  writeFileSync(`${path}.txt`, '');
  return { path: `${path}.db`, file: `${path}.txt`, ran: notes(`${path}.txt`) };
}

/** @returns what it said, and the signal that it got. */
function child(...args: string[]): Promise<{ out: string; signal: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    const started = spawn(process.execPath, [fileURLToPath(new URL('./child.ts', import.meta.url)), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    started.stdout.on('data', (chunk) => {
      out += chunk;
    });
    started.stderr.on('data', (chunk) => {
      err += chunk;
    });
    started.on('error', reject);
    started.on('close', (code, signal) => (code === 0 || signal ? resolve({ out, signal }) : reject(new Error(`exit ${code}: ${err}`))));
  });
}

const kept = async (journal: Journal) => (await all((journal.records as Records).read('langgraph', 't'))) as unknown as CheckpointData[];

/** The nodes whose result is in the file. */
const finished = (data: readonly CheckpointData[]) =>
  data
    .flatMap((d) => (d.kind === 'writes' ? d.writes : []))
    .flatMap(([, channel, value]) => (channel === 'log' && 'json' in value ? JSON.parse(value.json) : []));

test('killed around put and putWrites: what the file has does not run again, and the rest runs', async () => {
  const whole = memoryJournal();
  await diamond(journalSaver(whole), () => undefined).invoke({ log: [] }, { ...THREAD, durability: 'sync' });
  const kinds = (await kept(whole)).map(({ kind }) => kind);
  // around each result of a node, and around a checkpoint between them
  const [, ...writes] = [...kinds.keys()].filter((i) => kinds[i] === 'writes').map((i) => i + 1);
  expect(writes).toHaveLength(4);
  const [a, b, c, d] = writes as [number, number, number, number];
  const lanes = [
    [[a, 'before'] as const, [a, 'after'] as const, [b, 'after'] as const],
    [[c, 'after'] as const, [c + 1, 'after'] as const, [d, 'after'] as const],
  ];
  const seen = new Set<number>();
  await Promise.all(
    lanes.map(async (lane) => {
      for (const [nth, when] of lane) {
        const { path, file, ran } = place();
        expect((await child('kill', path, file, `${nth}`, when)).signal).toBe('SIGKILL');
        const journal = sqliteJournal(path);
        const stored = await kept(journal);
        expect(stored, `${when} ${nth}`).toHaveLength(when === 'before' ? nth - 1 : nth);
        const done: string[] = finished(stored);
        seen.add(done.length);
        const again: string[] = [];
        const graph = diamond(journalSaver(journal), (name) => again.push(name));
        const begun = stored.some(({ kind }) => kind === 'checkpoint');
        const result = await graph.invoke(begun ? null : { log: [] }, THREAD);
        expect(result.log[0]).toBe('a');
        expect([...result.log].sort(), `${when} ${nth}`).toEqual(['a', 'b', 'c', 'd']);
        // at most what was under way at that moment
        expect(
          again.filter((name) => done.includes(name)),
          `${when} ${nth}`,
        ).toEqual([]);
        expect([...again, ...done].sort()).toEqual(['a', 'b', 'c', 'd']);
        expect(ran.read()).toEqual(expect.arrayContaining(done));
        await journal.close?.();
      }
    }),
  );
  // nothing, the first, one of two branches, both, and all
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
});

test('two processes that write to one thread at once lose nothing, and neither reads what the other wrote as its own', async () => {
  const { path, file } = place();
  const count = 40;
  await Promise.all(['ana', 'ben'].map((name) => child('write', path, file, name, `${count}`)));
  const journal = sqliteJournal(path);
  const data = await kept(journal);
  expect(data).toHaveLength(4 * count);
  const saver = journalSaver(journal);
  for (const name of ['ana', 'ben'])
    for (let n = 0; n < count; n++) {
      const checkpoint_id = `${String(n).padStart(4, '0')}-${name}`;
      const tuple = await saver.getTuple({ configurable: { thread_id: 't', checkpoint_id } });
      const log = tuple?.checkpoint.channel_values.log as string[];
      expect(log.map((line) => line.replace(/ x+$/, ''))).toEqual(Array.from({ length: n + 1 }, (_, i) => `${name} ${i}`));
      expect(tuple?.pendingWrites).toEqual([[`task-${name}`, 'log', `${name} ${n}`]]);
    }
  // they did meet
  const writers = data.map(({ id }) => id.slice(5));
  expect(writers.filter((name, i) => i > 0 && name !== writers[i - 1]).length).toBeGreaterThan(2);
  await journal.close?.();
});

const idOf = (approvals: readonly Approval[], tool: string) => approvals.find((a) => a.kind === 'tool' && a.tool === tool)?.id as string;
const ben = { id: 'ben' };

test('interrupts of a LangGraph node in a graph under a supervisor, of a process that is gone: one approved, one rejected, nothing done twice', async () => {
  const { path, file, ran } = place();
  const said = JSON.parse((await child('run', path, file)).out) as RunResult & { status: 'paused' };
  expect(said.approvals).toMatchObject([
    { kind: 'tool', path: ['boss', 'flow', 'desk'], input: { cents: 7 }, reason: 'money' },
    { kind: 'tool', path: ['boss', 'flow', 'desk'] },
  ]);
  const { engine } = nested(path, ran.add);
  await engine.decide('r', [{ approval: idOf(said.approvals, 'wipe'), type: 'reject', reason: 'no' }], { by: ben });
  await engine.decide('r', [{ approval: idOf(said.approvals, 'refund'), type: 'approve' }], { by: ben });
  expect((await ends(engine.resume('r'), 'completed')).output).toContain('free, refund true, wipe false');
  expect(ran.read().sort()).toEqual(['free', 'refund true', 'wipe false']);
  await engine.close();
});

test('and the same if everything is a node of a LangGraph graph', async () => {
  const { path, file, ran } = place();
  const said = JSON.parse((await child('graph', path, file)).out) as { __interrupt__: { id: string; value: PendingApprovals }[] };
  const [on] = said.__interrupt__ as [{ id: string; value: PendingApprovals }];
  const { engine, outer } = nested(path, ran.add);
  const decisions = [
    { approval: idOf(on.value.approvals, 'refund'), type: 'approve' },
    { approval: idOf(on.value.approvals, 'wipe'), type: 'reject', reason: 'no' },
  ];
  const done = await outer.invoke(new Command({ resume: { [on.id]: decisions } }) as never, THREAD);
  expect(done.messages.at(-1)?.text).toContain('free, refund true, wipe false');
  expect(ran.read().sort()).toEqual(['free', 'refund true', 'wipe false']);
  await engine.close();
});
