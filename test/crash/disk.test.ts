import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { database } from './ledger.ts';
import { each, live, startJob } from './lives.ts';
import { Tally } from './tally.ts';
import { judge, outcomeOf } from './verdict.ts';
import { JobWorld } from './world.ts';

const world = new JobWorld();
beforeAll(() => world.prepare());
afterAll(() => world.remove());

/** KiB: SQLite's files may grow to this, and no further. */
const sizes = () => {
  const least = Math.ceil(statSync(database(world.template)).size / 1024);
  return Array.from({ length: 75 }, (_, i) => least + 4 * i);
};

test('a disk that is full: the process stops before an effect, or holds the result until there is room', async () => {
  const tally = new Tally();
  let stopped = 0;
  let held = 0;
  await each(sizes(), (limit) =>
    world.copy(async (dir) => {
      const child = startJob({ dir, at: 0 }, limit);
      // either it cannot write a result down, and says so, or it ends
      const holds = await Promise.race([child.said({ holds: true }).catch(() => undefined), child.ended.then(() => undefined)]);
      if (holds) execFileSync('prlimit', [`--pid=${child.pid}`, '--fsize=unlimited:']);
      let life = await child.ended;
      if (holds) held++;
      if (life.end?.error) {
        expect(life.end.error, life.end.message).toBe('JOURNAL_UNAVAILABLE');
        stopped++;
        life = await live({ dir, at: 0 });
      }
      tally.add([limit], [{ ...life, at: `${limit} KiB` }], judge(await outcomeOf(dir), world.undisturbed));
    }),
  );
  tally.row('stopped, and resumed later', stopped);
  tally.row('held a result until there was room', held);
  tally.print('no room for files over n KiB (ulimit -f)');
  tally.check();
  // nothing was begun that could not be written down, so nothing is unknown
  expect(tally.sum.unknown).toBe(0);
  expect(stopped).toBeGreaterThan(3);
  expect(held).toBeGreaterThan(3);
});
