/** What `work()` takes to drive queued runs of one model call on SQLite, beside a loop by hand over a table of jobs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { agent, Engine, type Model } from '../../src/index.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';

const BARE = 'a loop over a table of jobs';
const WORK = 'engine.work()';

const model: Model = {
  provider: 'bench',
  id: 'instant',
  generate: async () => ({ content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 10, output: 1 } }),
};
const clerk = agent({ name: 'clerk', instructions: 'Answer.', model });

export const queue: Scenario = async ({ quick }) => {
  const runs = quick ? 200 : 10_000;
  const times = await interleave([bare(runs), rondo(runs)], quick ? { rounds: 1, warmUp: 1 } : { rounds: 7, warmUp: 2, longest: 60_000 });
  return {
    tables: [
      {
        title: `A queue of ${runs} runs, on SQLite`,
        unit: 'µs per run',
        columns: ['one model call'],
        rows: [BARE, WORK].map((name) => ({ name, cells: [spread(timesOf(times, name))] })),
      },
      {
        title: 'A queue, on SQLite, as a multiple',
        unit: 'times',
        columns: ['one model call'],
        rows: [{ name: `${WORK} : ${BARE}`, cells: [ratio(times, WORK, BARE)] }],
      },
    ],
    targets: [],
  };
};

/** Each job is claimed in one transaction and ended in another. */
function bare(runs: number): Contender {
  return {
    name: BARE,
    prepare() {
      const folder = mkdtempSync(join(tmpdir(), 'rondo-bench-'));
      const db = new DatabaseSync(join(folder, 'jobs.db'));
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
      db.exec(
        "CREATE TABLE job (id INTEGER PRIMARY KEY, status TEXT, input TEXT, output TEXT); CREATE INDEX queued ON job (id) WHERE status = 'queued'; BEGIN",
      );
      const insert = db.prepare("INSERT INTO job (status, input) VALUES ('queued', ?)");
      for (let i = 0; i < runs; i++) insert.run(`task ${i}`);
      db.exec('COMMIT');
      const claim = db.prepare(
        "UPDATE job SET status = 'running' WHERE id = (SELECT min(id) FROM job WHERE status = 'queued') RETURNING id, input",
      );
      const end = db.prepare("UPDATE job SET status = 'done', output = ? WHERE id = ?");
      let done = 0;
      return {
        units: runs,
        async run() {
          for (let job = claim.get(); job; job = claim.get()) {
            const request = {
              instructions: 'Answer.',
              messages: [{ role: 'user', content: [{ type: 'text', text: String(job.input) }] }],
              tools: [],
            } as const;
            const { content } = await model.generate(request, { signal: new AbortController().signal });
            end.run(JSON.stringify(content), job.id as number);
            done++;
          }
        },
        finish() {
          if (done !== runs) throw new Error(`${done} jobs were done, not ${runs}`);
          db.close();
          rmSync(folder, { recursive: true });
        },
      };
    },
  };
}

function rondo(runs: number): Contender {
  return {
    name: WORK,
    async prepare() {
      const folder = mkdtempSync(join(tmpdir(), 'rondo-bench-'));
      const engine = new Engine({ journal: sqliteJournal(join(folder, 'runs.db')), agents: [clerk] });
      await Promise.all(Array.from({ length: runs }, (_, i) => engine.enqueue(clerk, `task ${i}`)));
      let driven = 0;
      return {
        units: runs,
        async run() {
          const work = engine.work();
          await work.idle();
          ({ driven } = work.state());
        },
        async finish() {
          if (driven !== runs) throw new Error(`${driven} runs were driven, not ${runs}`);
          await engine.close();
          rmSync(folder, { recursive: true });
        },
      };
    },
  };
}
