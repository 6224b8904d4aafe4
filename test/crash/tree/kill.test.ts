import { afterAll, beforeAll, expect, test } from 'vitest';
import { RUN } from '../job.ts';
import { each, type Life } from '../lives.ts';
import { checkHits, random, SEED, Tally } from '../tally.ts';
import { play, type Schedule, TreeWorld, tell } from './lives.ts';
import type { TreeOutcome } from './outcome.ts';
import { judge } from './verdict.ts';

const world = new TreeWorld();
let undisturbed: TreeOutcome;
beforeAll(async () => {
  undisturbed = await world.prepare({ job: 'desk' }, RUN);
});
afterAll(() => world.remove());

type Mode = { act?: 'all' | 'decide'; early?: boolean };

async function playAll(schedules: readonly Schedule[], mode: Mode, seen?: (schedule: Schedule, lives: Life[]) => void): Promise<Tally> {
  const tally = new Tally();
  await each(schedules, (schedule) =>
    world.attempt(false, async (dir) => {
      const lives = await play(dir, { job: 'desk', ...mode }, schedule);
      await tell(tally, { schedule, lives, dir, run: RUN, want: undisturbed });
      seen?.(schedule, lives);
    }),
  );
  return tally;
}

test('the undisturbed tree does everything once', () => {
  const { state, record, deeds, entries } = undisturbed;
  expect(state.status).toBe('completed');
  expect(deeds.filter(({ kind }) => kind === 'effect').length).toBe(18);
  expect(record.items.filter(({ asked }) => asked.length > 0).map(({ path }) => path.join('/'))).toEqual(
    expect.arrayContaining(['desk/office/clerk', 'desk/report', 'desk/report/writer', 'desk/alien']),
  );
  expect(entries.filter(({ type }) => type === 'approval.requested').length).toBe(5);
  const verdict = judge(undisturbed, undisturbed);
  expect(verdict).toEqual({ ...verdict, duplicates: [], lost: [], approvals: [], differences: [], repeats: [], again: [], keys: [] });
});

/** How many points a first process passes; its branches work side by side, so that it is a few more or less each time. */
const points = async () => world.attempt(false, async (dir) => (await play(dir, { job: 'desk' }, []))[0]?.points as number);
const after = new Map<Schedule, number>();

test('a process that answers its own approvals, killed at every point', async () => {
  const n = await points();
  const schedules = Array.from({ length: n }, (_, i) => [i + 1]);
  const tally = await playAll(schedules, {}, (schedule, lives) => after.set(schedule, lives[1]?.points ?? 0));
  tally.print(`a tree of agents, killed at each of the ${n} points of one process`);
  checkHits(tally.hits, n);
  tally.check();
});

test('resumed trees, killed again', async () => {
  const draw = random(SEED + 2);
  const pairs = [...after].flatMap(([[first = 0], n]) => Array.from({ length: n }, (_, k) => [first, k + 1]));
  const schedules = Array.from({ length: 16 }, () => pairs[Math.floor(draw() * pairs.length)] as Schedule);
  const tally = await playAll(schedules, { early: true });
  tally.print(`a tree of agents, killed, resumed and killed again: ${schedules.length} of ${pairs.length} pairs, RONDO_CRASH_SEED=${SEED}`);
  expect(tally.hits).toBeGreaterThan(24);
  tally.check();
});

test('each answer is given in a process of its own, and processes are killed in turn', async () => {
  const draw = random(SEED + 3);
  const counts = await world.attempt(false, async (dir) =>
    (await play(dir, { job: 'desk', act: 'decide', early: true }, [])).map(({ points }) => points ?? 0),
  );
  const all = counts.flatMap((n, i) => Array.from({ length: n }, (_, k) => [...Array<number>(i).fill(0), k + 1]));
  // those of the processes that answer are few, and all of them are tried
  const answering = all.filter((schedule) => schedule.length % 2 === 0);
  const driving = all.filter((schedule) => schedule.length % 2 === 1);
  const schedules = [...answering, ...Array.from({ length: 6 }, () => driving[Math.floor(draw() * driving.length)] as Schedule)];
  const tally = await playAll(schedules, { act: 'decide', early: true });
  tally.print(
    `a tree of agents, each of its ${counts.join(' + ')} points in ${counts.length} processes: ${schedules.length} of ${all.length}, RONDO_CRASH_SEED=${SEED}`,
  );
  checkHits(tally.hits, schedules.length);
  tally.check();
});
