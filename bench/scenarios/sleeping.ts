/** Many runs that sleep on SQLite: what they take of a process that works, and how soon it drives those that are due. */
import { type Asleep, putToSleep } from '../asleep.ts';
import { inChild } from '../child.ts';
import { scratch } from '../contenders.ts';
import { type Spread, spread } from '../harness.ts';
import type { Scenario } from '../result.ts';

const RUNS = 100_000;
/** Megabytes that they may take more than none. */
const MOST = 50;

export const sleeping: Scenario = async ({ quick }) => {
  const runs = quick ? 2_000 : RUNS;
  const many = `${runs.toLocaleString('en')} runs sleep`;
  const files = scratch();
  await putToSleep(files.path('many.db'), runs);
  const none: Asleep[] = [];
  const all: Asleep[] = [];
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    none.push(await inChild<Asleep>('asleep', [files.path('none.db')]));
    all.push(await inChild<Asleep>('asleep', [files.path('many.db')]));
  }
  files.remove();
  const megabytes = (of: (a: Asleep) => number): Spread => spread(all.map((a, i) => (of(a) - of(none[i] as Asleep)) / 1e6));
  const late = (samples: readonly Asleep[]): Spread => spread(samples.flatMap((a) => a.late));
  const rss = megabytes((a) => a.rss);
  return {
    tables: [
      {
        title: `What a process with engine.work() takes more, if ${many}`,
        unit: 'MB of 1,000,000 bytes',
        columns: ['heap', 'resident set'],
        rows: [{ name: many, cells: [megabytes((a) => a.heap), rss] }],
        notes: ['Each in a process of its own, after a full collection, once the loop has looked several times for what is due.'],
      },
      {
        title: 'From due to driven',
        unit: 'ms',
        columns: ['until the model is called'],
        rows: [
          { name: 'no other run sleeps', cells: [late(none)] },
          { name: many, cells: [late(all)] },
        ],
        notes: ['Each second, 20 runs wake that sleep for three seconds in the process that drives them.'],
      },
    ],
    targets: [{ name: `${many}: memory more than none`, measured: rss, unit: 'MB', limit: MOST }],
  };
};
