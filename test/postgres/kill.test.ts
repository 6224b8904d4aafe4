import { afterAll, beforeAll, expect, test } from 'vitest';
import { postgresJournal } from '../../src/adapters/journal/postgres.ts';
import type { Order } from '../crash/child.ts';
import { each, type Life, live } from '../crash/lives.ts';
import { Tally } from '../crash/tally.ts';
import { judge, type Outcome, outcomeOf } from '../crash/verdict.ts';
import { World } from '../crash/world.ts';
import { freshSchema, url } from './setup.ts';

/** Every so many of the points of the job, before and after each write. */
const STRIDE = 7;

const world = new World();
afterAll(() => world.remove());

const place = () => ({ dir: world.folder(), postgres: { url: url(), schema: freshSchema() } });
const outcome = ({ dir, postgres }: ReturnType<typeof place>): Promise<Outcome> => outcomeOf(dir, postgresJournal(postgres));

let undisturbed: Outcome;
let points: number;

beforeAll(async () => {
  const own = place();
  points = (await live({ ...own, at: 0 } satisfies Order)).points as number;
  undisturbed = await outcome(own);
});

test('a process that is killed at its appends, and resumed by another one: no effect happens twice, and nothing is lost', async () => {
  expect(undisturbed.state.status).toBe('completed');
  const tally = new Tally();
  const schedules = Array.from({ length: Math.floor(points / STRIDE) }, (_, i) => 1 + i * STRIDE);
  await each(schedules, async (at) => {
    const own = place();
    const lives: Life[] = [await live({ ...own, at })];
    lives.push(await live({ ...own, at: 0 }));
    tally.add([at], lives, judge(await outcome(own), undisturbed));
  });
  tally.print(`on Postgres, killed at every ${STRIDE}th of ${points} points`);
  expect(tally.hits).toBe(schedules.length);
  tally.check();
});
