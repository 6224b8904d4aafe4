/** The measuring process of main.ts: `turns.ts [--quick] FRAMEWORK...`. */
import { z } from 'zod';
import { scratch } from '../contenders.ts';
import { type Contender, interleave, ratio, type Spread, spread, timesOf } from '../harness.ts';
import type { Row, Table } from '../result.ts';
import { INSTRUCTIONS, QUESTION } from '../workload.ts';
import { type Program, programOf, type Setup, type Subject } from './subject.ts';

const names = process.argv.slice(2).filter((arg) => arg !== '--quick');
const quick = process.argv.includes('--quick');
const LENGTHS = quick ? [5, 10] : [10, 400];
const input = z.object({ id: z.number() });
const files = scratch();

type Way = 'kept' | 'made for each run' | 'kept, nothing stored' | 'kept, on disk';
const at = (name: string, way: Way, turns: number) => `${name}, ${way}, ${turns}`;

let threads = 0;

function contender(name: string, program: Program, way: Way, turns: number): Contender {
  const calls = { made: 0 };
  const file = way === 'kept, on disk' ? files.path('.') : undefined;
  const setup = (): Setup => ({
    instructions: INSTRUCTIONS,
    model: (done) => (done < turns ? { name: 'lookup', input: { id: done } } : 'Done.'),
    tools: [
      {
        name: 'lookup',
        description: 'Looks something up',
        read: true,
        input,
        async execute({ id }) {
          calls.made++;
          return { id, text: 'found' };
        },
      },
    ],
    ...(file && { file }),
    ...(way === 'kept, nothing stored' && { keep: false }),
  });
  const runs = turns <= 10 && !file ? 5 : 1;
  let kept: Subject | undefined;
  return {
    name: at(name, way, turns),
    prepare() {
      calls.made = 0;
      if (way !== 'made for each run') kept ??= program.make(setup());
      return {
        units: turns * runs,
        async run() {
          for (let i = 0; i < runs; i++) {
            const subject = kept ?? program.make(setup());
            const thread = `run-${++threads}`;
            const { status } = await subject.start(thread, QUESTION);
            if (status !== 'completed') throw new Error(`${name}: a run is ${status}`);
            await subject.forget(thread);
            if (!kept) await subject.close?.();
          }
        },
        finish() {
          if (calls.made !== turns * runs) throw new Error(`${name}, ${way}: ${calls.made} tool calls were made, not ${turns * runs}`);
        },
      };
    },
    async close() {
      await kept?.close?.();
    },
  };
}

const ways: { name: string; way: Way }[] = [];
const contenders: Contender[] = [];
const durable: Record<string, string> = {};
for (const name of names) {
  const program = await programOf(name);
  if (program.durable) durable[name] = program.durable;
  const own: Way[] = ['kept', 'made for each run'];
  if (name.startsWith('langgraph')) own.push('kept, nothing stored');
  if (program.durable) own.push('kept, on disk');
  for (const way of own) {
    ways.push({ name, way });
    contenders.push(...LENGTHS.map((turns) => contender(name, program, way, turns)));
  }
}
const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 3, warmUp: 1 });
files.remove();

const memory = ways.filter(({ way }) => way !== 'kept, on disk');
const disk = ways.filter(({ way }) => way === 'kept, on disk');
const cost = ({ name, way }: (typeof ways)[number]): Row => ({
  name: `${name}, ${way}`,
  cells: LENGTHS.map((turns): Spread => spread(timesOf(times, at(name, way, turns)))),
});
const times1 =
  (base: Way) =>
  ({ name, way }: (typeof ways)[number]): Row => ({
    name: `${name}, ${way}`,
    cells: LENGTHS.map((turns) => ratio(times, at(name, way, turns), at('rondo', base, turns))),
  });
const columns = LENGTHS.map((turns) => `${turns} turns`);
const rounds = timesOf(times, at('rondo', 'kept', LENGTHS[0] ?? 0)).length;
const tables: Table[] = [
  { title: 'A tool turn beside other frameworks', unit: 'µs per turn', columns, rows: ways.map(cost), notes: [`${rounds} rounds.`] },
  { title: 'In memory, as a multiple', unit: 'times Rondo, kept', columns, rows: memory.map(times1('kept')) },
  { title: 'On disk, as a multiple', unit: 'times Rondo, kept, on disk', columns, rows: disk.map(times1('kept, on disk')) },
];
process.send?.({ tables, durable }, () => process.exit());
