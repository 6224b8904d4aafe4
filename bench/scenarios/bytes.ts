/** What a tool turn writes to disk: Rondo on SQLite and the bare SQLite loop. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { Effect } from '../../src/index.ts';
import { bareSqliteLoop, type FileLoop, rondoSqliteLoop, scratch } from '../contenders.ts';
import { exactly, type Outcome, type Scenario, type Table, type Target } from '../result.ts';
import { CONCURRENT, inTurns, SHORT_RUN, SQLITE_TIMES } from '../targets.ts';

const TURNS = [1, 10, 100, 400] as const;
const EFFECTS = ['read', 'once'] as const satisfies readonly Effect[];
const WHICH = ['written', 'kept'] as const;
/** Tool turns written for one number: enough for several checkpoints. */
const SAMPLE = 1_200;
const IO = '/proc/self/io';

/** Opens a loop on a file. */
type Open = (path: string, turns: number, effect: Effect) => FileLoop;
const LOOPS: Readonly<Record<string, Open>> = {
  'bare SQLite loop': bareSqliteLoop,
  'Rondo on SQLite': (path, turns, effect) => rondoSqliteLoop(path, turns, { effect, listen: true }),
};
const [BARE, RONDO] = Object.keys(LOOPS) as [string, string];

interface Bytes {
  /** All bytes passed to the operating system: the log, and the pages that checkpoints copied from it. */
  written: number;
  /** By how much the file grew. */
  kept: number;
}
interface Shape {
  effect: Effect;
  turns: number;
  /** How many runs at a time. */
  together: number;
  runs: number;
}
/** Per turn, by loop. */
type Measured = Shape & { perTurn: Map<string, Bytes> };

export const bytes: Scenario = async ({ quick }) => {
  if (!existsSync(IO))
    return { tables: [{ title: 'Bytes on disk', unit: 'KB', columns: [], rows: [], notes: [`Needs ${IO}: Linux.`] }], targets: [] };
  const alone: Measured[] = [];
  for (const effect of quick ? EFFECTS.slice(0, 1) : EFFECTS)
    for (const turns of TURNS) alone.push(await measure({ effect, turns, together: 1, runs: (quick ? 400 : SAMPLE) / turns }));
  const { runs, turns } = CONCURRENT;
  return outcome(alone, await measure({ effect: 'read', turns, together: runs, runs }));
};

/** Once is enough: counted, untimed values are the same every time. */
async function measure(shape: Shape): Promise<Measured> {
  const perTurn = new Map<string, Bytes>();
  for (const [name, open] of Object.entries(LOOPS)) {
    const empty = await write(open, { ...shape, runs: 0 });
    const full = await write(open, shape);
    const per = (which: keyof Bytes) => (full[which] - empty[which]) / (shape.runs * shape.turns);
    perTurn.set(name, { written: per('written'), kept: per('kept') });
  }
  return { ...shape, perTurn };
}

/** Creates a file, warms it with one run, does the runs, and closes it, which writes the rest of the log back. */
async function write(open: Open, o: Shape): Promise<Bytes> {
  const files = scratch();
  const path = files.path('bench.db');
  const before = handedOver();
  const loop = open(path, o.turns, o.effect);
  await loop.once();
  for (let done = 0; done < o.runs; done += o.together)
    await Promise.all(Array.from({ length: Math.min(o.together, o.runs - done) }, () => loop.once()));
  await loop.close();
  const bytes = { written: handedOver() - before, kept: statSync(path).size };
  files.remove();
  return bytes;
}

/** Bytes that this process has passed to write calls, whether or not they reached the disk. */
const handedOver = () => Number(/^wchar: (\d+)$/m.exec(readFileSync(IO, 'latin1'))?.[1]);

function outcome(alone: readonly Measured[], together: Measured): Outcome {
  const effects = EFFECTS.filter((effect) => alone.some((m) => m.effect === effect));
  const row = (name: string, which: keyof Bytes, effect: Effect) => {
    const all = [...alone, together].filter((m) => m.effect === effect);
    return { name: `${name}, ${effect}, ${which}`, cells: all.map((m) => exactly(of(m, name)[which] / 1_000)) };
  };
  const table: Table = {
    title: 'Bytes on disk',
    unit: 'KB of 1,000 bytes per turn, results of 1 KB',
    columns: [...TURNS.map(inTurns), `${together.together} runs of ${together.turns}`],
    rows: effects.flatMap((effect) => WHICH.flatMap((which) => [row(BARE, which, effect), row(RONDO, which, effect)])),
    notes: [
      'written: what the process gave to write calls (wchar of /proc/self/io), the log and all checkpoints with the last one; the making of the file is taken off.',
      'kept: by how much the file grew.',
      `The last column is ${together.together} runs at a time, whose turns share transactions in Rondo.`,
    ],
  };
  return { tables: [table], targets: alone.map(target) };
}

function of({ perTurn, turns }: Measured, name: string): Bytes {
  const found = perTurn.get(name);
  if (!found) throw new Error(`${name} was not measured at ${turns} turns`);
  return found;
}

const target = (measured: Measured): Target => ({
  name: `on SQLite, ${measured.effect}, ${inTurns(measured.turns)}: bytes written`,
  measured: exactly(of(measured, RONDO).written / of(measured, BARE).written),
  unit: 'x',
  limit: SQLITE_TIMES,
  basis: 'the bare SQLite loop',
  ...(measured.turns === 1 && { why: SHORT_RUN }),
});
