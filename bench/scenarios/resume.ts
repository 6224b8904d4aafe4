/** The time of a takeover: read the journal from SQLite, fold it, claim the run, up to the next model call. */
import { copyFileSync } from 'node:fs';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import type { Message } from '../../src/index.ts';
import { bareSqliteRun, bareStore } from '../bare.ts';
import { bareLoop, counted, lookupAgent, newEngine, scratch } from '../contenders.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario, Table } from '../result.ts';
import { instantModel, QUESTION } from '../workload.ts';

const STEPS = [10, 100, 1_000] as const;
const RUN = 'run-to-resume';

const BARE = 'bare: open, select, parse';
const INSPECTED = 'Rondo: open, read, fold';
const RESUMED = 'Rondo: open, read, fold, claim';
const at = (name: string, steps: number) => `${name}, ${steps}`;

export const resume: Scenario = async ({ quick }) => {
  const files = scratch();
  const contenders: Contender[] = [];
  for (const steps of STEPS) {
    const bare = files.path(`bare-${steps}.db`);
    const runs = files.path(`runs-${steps}.db`);
    await writeBare(bare, steps);
    await writeRun(runs, steps);
    contenders.push(reading(at(BARE, steps), bare, steps), inspecting(at(INSPECTED, steps), runs, steps));
    contenders.push(resuming(at(RESUMED, steps), runs, files.path(`copy-${steps}.db`), steps));
  }
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 21, warmUp: 4 });
  files.remove();
  const columns = STEPS.map((n) => `${n.toLocaleString('en-GB')} steps`);
  const absolute: Table = {
    title: 'Resume from SQLite',
    unit: 'ms',
    columns,
    rows: [BARE, INSPECTED, RESUMED].map((name) => ({
      name,
      cells: STEPS.map((n) => spread(timesOf(times, at(name, n)).map((us) => us / 1_000))),
    })),
    notes: [
      'One validated tool call per step, results of 1 KB. The file is opened again each time; the operating system has it in memory.',
      'A claim is synced to disk. It ends where the model is called.',
    ],
  };
  const relative: Table = {
    title: 'Resume from SQLite, as a multiple',
    unit: 'times the bare reader',
    columns,
    rows: [INSPECTED, RESUMED].map((name) => ({ name, cells: STEPS.map((n) => ratio(times, at(name, n), at(BARE, n))) })),
  };
  return { tables: [absolute, relative], targets: [] };
};

async function writeBare(path: string, steps: number): Promise<void> {
  const store = bareStore(path);
  await bareSqliteRun(bareLoop(instantModel(steps), counted('1 KB').execute), store, 'read');
  store.close();
}

/** A run that stopped at its limit of steps: taking it over does the same as after a crash. */
async function writeRun(path: string, steps: number): Promise<void> {
  const engine = newEngine(sqliteJournal(path));
  const a = lookupAgent(instantModel(steps), 'read', counted('1 KB').execute);
  const result = await engine.run(a, QUESTION, { id: RUN, limits: { steps } });
  if (result.status !== 'stopped' || result.steps !== steps)
    throw new Error(`the run to resume is ${result.status} after ${result.steps} steps`);
  await engine.close();
}

function reading(name: string, path: string, steps: number): Contender {
  return {
    name,
    prepare() {
      let messages: Message[] = [];
      let close = () => {};
      return {
        units: 1,
        run() {
          const store = bareStore(path);
          messages = store.read(1);
          close = store.close;
        },
        finish() {
          close();
          if (messages.length !== 2 * steps) throw new Error(`${messages.length} messages were read`);
        },
      };
    },
  };
}

function inspecting(name: string, path: string, steps: number): Contender {
  return {
    name,
    prepare() {
      const engine = newEngine(sqliteJournal(path));
      let found = 0;
      return {
        units: 1,
        async run() {
          found = (await engine.inspect(RUN)).steps;
        },
        async finish() {
          await engine.close();
          if (found !== steps) throw new Error(`${found} steps were folded`);
        },
      };
    },
  };
}

function resuming(name: string, master: string, path: string, steps: number): Contender {
  return {
    name,
    prepare() {
      copyFileSync(master, path);
      let reached = (_done: number) => {};
      const called = new Promise<number>((resolve) => {
        reached = resolve;
      });
      const model = instantModel(steps, (done) => void reached(done));
      const engine = newEngine(sqliteJournal(path), { agents: [lookupAgent(model, 'read', counted('1 KB').execute)] });
      let ended: PromiseLike<{ status: string }> | undefined;
      let done = 0;
      return {
        units: 1,
        async run() {
          ended = engine.resume(RUN, { limits: { steps: steps + 1 } });
          done = await Promise.race([called, ended.then(() => -1)]);
        },
        async finish() {
          const result = await ended;
          await engine.close();
          if (done !== steps || result?.status !== 'completed')
            throw new Error(`the model saw ${done} turns, and the run ended ${result?.status}`);
        },
      };
    },
  };
}
