import { afterAll, beforeAll, expect, test } from 'vitest';
import { each, type Life, live } from '../crash/lives.ts';
import { Tally } from '../crash/tally.ts';
import { judge, type Outcome, outcomeOf } from '../crash/verdict.ts';
import { World } from '../crash/world.ts';
import { url } from './setup.ts';

/** `npm run test:crash:postgres` runs the whole suite. Here: every so many of the points of the job, before and after each write. */
const STRIDE = 7;

const world = new World();
afterAll(() => world.remove());

let undisturbed: Outcome;
let points: number;

beforeAll(async () => {
  process.env.RONDO_CRASH_POSTGRES = url();
  const dir = world.folder();
  points = (await live({ dir, at: 0 })).points as number;
  undisturbed = await outcomeOf(dir);
});

test('a process that is killed at its appends, and resumed by another one: no effect happens twice, and nothing is lost', async () => {
  expect(undisturbed.state.status).toBe('completed');
  const tally = new Tally();
  const schedules = Array.from({ length: Math.floor(points / STRIDE) }, (_, i) => 1 + i * STRIDE);
  await each(schedules, async (at) => {
    const dir = world.folder();
    const lives: Life[] = [await live({ dir, at })];
    lives.push(await live({ dir, at: 0 }));
    tally.add([at], lives, judge(await outcomeOf(dir), undisturbed));
  });
  tally.print(`on Postgres, killed at every ${STRIDE}th of ${points} points`);
  expect(tally.hits).toBe(schedules.length);
  tally.check();
});
