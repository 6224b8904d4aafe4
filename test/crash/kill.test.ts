import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { each, type Life, live, startJob } from './lives.ts';
import type { Where } from './points.ts';
import { checkHits, random, SEED, Tally } from './tally.ts';
import { judge, KINDS, outcomeOf } from './verdict.ts';
import { JobWorld } from './world.ts';

const world = new JobWorld();
beforeAll(() => world.prepare());
afterAll(() => world.remove());

/** The point at which each process in turn is killed; 0 and those after them live. */
type Schedule = readonly Where[];

/** Lets processes live and die as a schedule says, until the run has ended. */
async function play(dir: string, schedule: Schedule, leave: boolean): Promise<Life[]> {
  const lives: Life[] = [];
  for (;;) {
    const life = await live({ dir, at: schedule[lives.length] ?? 0, leave });
    lives.push(life);
    if (life.signal === null && life.end?.status !== 'paused') return lives;
    if (lives.length > 50) throw new Error('the run does not come to an end');
  }
}

async function playAll(schedules: readonly Schedule[], leave: boolean, seen?: (schedule: Schedule, lives: Life[]) => void): Promise<Tally> {
  const tally = new Tally();
  await each(schedules, (schedule) =>
    world.copy(async (dir) => {
      const lives = await play(dir, schedule, leave);
      const outcome = await outcomeOf(dir);
      const verdict = judge(outcome, world.undisturbed);
      const asked = lives.filter(({ at }) => at?.startsWith('in the model')).length;
      const charged = outcome.entries.filter((e) => e.type === 'run.claimed' && e.lost).length;
      if (charged < asked) verdict.differences.push(`${asked} calls of the model were cut off, and ${charged} charged`);
      tally.add(schedule, lives, verdict);
      seen?.(schedule, lives);
    }),
  );
  return tally;
}

/** How many points the first process after those of a schedule passes. */
const after = new Map<Schedule, number>();

test('the undisturbed run does everything once', () => {
  expect(world.undisturbed.state.status).toBe('completed');
  expect(world.undisturbed.state.messages.length).toBe(2 + 12);
  expect(world.undisturbed.state.unknowns).toEqual([]);
  expect(world.undisturbed.effects.length).toBe(15);
  expect(world.undisturbed.entries.filter(({ type }) => type === 'approval.requested').length).toBe(4);
  const verdict = judge(world.undisturbed, world.undisturbed);
  for (const kind of KINDS) expect(verdict[kind]).toEqual([]);
});

test('a process that answers its own approvals, killed at every point', async () => {
  const points = await world.copy(async (dir) => (await play(dir, [], false))[0]?.points as number);
  const schedules = Array.from({ length: points }, (_, i) => [i + 1]);
  const tally = await playAll(schedules, false);
  tally.print(`killed at each of the ${points} points of one process`);
  checkHits(tally.hits, points);
  tally.check();
});

test('processes that leave at each pause, every one killed at every point', async () => {
  const counts = await world.copy(async (dir) => (await play(dir, [], true)).map(({ points }) => points as number));
  const schedules = counts.flatMap((points, i) => Array.from({ length: points }, (_, k) => [...Array<number>(i).fill(0), k + 1]));
  const tally = await playAll(schedules, true, (schedule, lives) => after.set(schedule, lives[schedule.length]?.points ?? 0));
  tally.print(`killed at each of the ${counts.join(' + ')} points of ${counts.length} processes`);
  checkHits(tally.hits, schedules.length);
  tally.check();
});

test('resumed runs, killed again', async () => {
  const draw = random(SEED);
  const pairs = [...after].flatMap(([schedule, points]) => Array.from({ length: points }, (_, k) => [...schedule, k + 1]));
  const schedules = Array.from({ length: 80 }, () => pairs[Math.floor(draw() * pairs.length)] as Schedule);
  const tally = await playAll(schedules, true);
  tally.print(`killed, resumed and killed again: ${schedules.length} of ${pairs.length} pairs, RONDO_CRASH_SEED=${SEED}`);
  expect(tally.hits).toBeGreaterThan(150);
  tally.check();
});

test('a relay of processes, each killed at the same point of its life', async () => {
  // one that dies earlier gets nothing done, see below
  const schedules = Array.from({ length: 15 }, (_, i) => Array<number>(40).fill(22 + i));
  const tally = await playAll(schedules, false);
  tally.print('a relay of processes, each killed at its n-th point');
  tally.check();
});

test('processes killed at any moment', async () => {
  const draw = random(SEED + 1);
  const tally = new Tally();
  await each(
    Array.from({ length: 40 }, () => 160 * draw()),
    (ms) =>
      world.copy(async (dir) => {
        const child = startJob({ dir, at: 0 });
        await child.said({ ready: true });
        await sleep(ms);
        child.kill('SIGKILL');
        const life = await child.ended;
        const lives = [{ ...life, ...(life.signal && { at: `after ${Math.round(ms)} ms` }) }, ...(await play(dir, [], false))];
        tally.add([], lives, judge(await outcomeOf(dir), world.undisturbed));
      }),
  );
  tally.print(`killed at any moment, RONDO_CRASH_SEED=${SEED}`);
  expect(tally.hits).toBeGreaterThan(20);
  tally.check();
});

test('a step that crashes every process fails the run', async () => {
  const model = 'in the model, before';
  await world.copy(async (dir) => {
    const lives = await play(dir, [model, model], false);
    expect(lives.filter(({ signal }) => signal).length).toBe(2);
    expect(lives.at(-1)?.end).toMatchObject({ status: 'completed' });
  });
  await world.copy(async (dir) => {
    const lives = await play(dir, [model, model, model], false);
    expect(lives.at(-1)?.end).toMatchObject({ status: 'failed', error: { code: 'CRASH_LOOP' } });
  });
});

test('a step in which every process gets one call done is not', async () => {
  await world.copy(async (dir) => {
    const lives = await play(dir, Array<Where>(5).fill('after append of call.finished'), false);
    expect(lives.filter(({ signal }) => signal).length).toBe(5);
    expect(lives.at(-1)?.end).toMatchObject({ status: 'completed' });
  });
});
