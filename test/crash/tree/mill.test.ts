import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Entry } from '../../../src/index.ts';
import { RUN } from '../job.ts';
import { each, type Life } from '../lives.ts';
import { checkHits, random, SEED, Tally } from '../tally.ts';
import type { TreeOrder } from './child.ts';
import { play, type Schedule, TreeWorld, tell } from './lives.ts';
import { outcomeOf, type TreeOutcome } from './outcome.ts';
import { FORK } from './parts.ts';
import { judge } from './verdict.ts';

const world = new TreeWorld();
let undisturbed: TreeOutcome;
beforeAll(async () => {
  undisturbed = await world.prepare({ job: 'mill' }, RUN);
});
afterAll(() => world.remove());

const range = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

async function playAll(schedules: readonly Schedule[], seen?: (schedule: Schedule, lives: Life[]) => void): Promise<Tally> {
  const tally = new Tally();
  await each(schedules, (schedule) =>
    world.attempt(false, async (dir) => {
      const lives = await play(dir, { job: 'mill' }, schedule);
      await tell(tally, { schedule, lives, dir, run: RUN, want: undisturbed });
      seen?.(schedule, lives);
    }),
  );
  return tally;
}

test('the undisturbed graph does everything once', () => {
  expect(undisturbed.state.status).toBe('completed');
  expect(undisturbed.deeds.filter(({ kind }) => kind === 'effect').length).toBe(14);
  const verdict = judge(undisturbed, undisturbed);
  expect(verdict).toEqual({ ...verdict, duplicates: [], lost: [], approvals: [], differences: [], repeats: [], again: [], keys: [] });
});

const after = new Map<Schedule, number>();

test('a loop with branches, killed at every point; an operator settles the unknown outcomes', async () => {
  const n = await world.attempt(false, async (dir) => (await play(dir, { job: 'mill' }, []))[0]?.points as number);
  const tally = await playAll(
    range(n).map((at) => [at]),
    (schedule, lives) => after.set(schedule, lives[1]?.points ?? 0),
  );
  tally.print(`a graph with a loop, killed at each of the ${n} points of one process`);
  checkHits(tally.hits, n);
  tally.check();
  // an operator has said of each what became of it
  expect(tally.sum.unknown).toBe(0);
  expect(tally.sum.settled).toBeGreaterThan(15);
});

test('a loop with branches, killed, resumed and killed again', async () => {
  const draw = random(SEED + 4);
  const pairs = [...after].flatMap(([[first = 0], n]) => Array.from({ length: n }, (_, k) => [first, k + 1]));
  // a step that did not run, which an operator said, is cut off once more; one that failed is cut off when it is tried again
  const known: Schedule[] = ['turn/buy', 'turn@2/buy', 'pack "left"/load'].map((what) => [
    `in mill/${what}, before its effect`,
    `in mill/${what}, after its effect`,
  ]);
  // and one that fails is cut off twice, each time before it fails
  const grit = 'in mill/grind@2/grit, before it fails or not';
  const schedules = [...known, [grit, grit], ...Array.from({ length: 16 }, () => pairs[Math.floor(draw() * pairs.length)] as Schedule)];
  const tally = await playAll(schedules);
  tally.print(
    `a graph with a loop, killed, resumed and killed again: ${schedules.length} of ${pairs.length} pairs, RONDO_CRASH_SEED=${SEED}`,
  );
  expect(tally.hits).toBeGreaterThan(30);
  tally.check();
});

type ForkFrom = NonNullable<TreeOrder['fork']>;

/** Forks the finished run in a process that is killed, and in another one until the fork has ended too. */
async function fork(tally: Tally, from: ForkFrom, at: number, o: { want: TreeOutcome; spent: boolean }): Promise<Life[]> {
  return world.attempt(true, async (dir) => {
    const lives = await play(dir, { job: 'mill', fork: from }, [at]);
    const got = await tell(tally, { schedule: [at], lives, dir, run: FORK, ...o });
    const started = got.entries[0];
    expect(started).toMatchObject({ type: 'run.started', fork: { run: RUN } });
    // the old run is as it was
    expect((await outcomeOf(dir, RUN)).entries).toEqual(undisturbed.entries);
    return lives;
  });
}

const ended = (what: string) => undisturbed.record.items.find((item) => item.what === what)?.finished.at(-1)?.seq as number;

test('a fork with another state, killed at a third of its points', async () => {
  // in the midst of the second round it learns that there are to be four
  const from: ForkFrom = { at: ended('mill/turn@2'), state: { round: 2, rounds: 4, log: ['by hand'] } };
  const [want, n] = await world.attempt(true, async (dir) => {
    const [life] = await play(dir, { job: 'mill', fork: from }, []);
    return [await outcomeOf(dir, FORK), life?.points as number];
  });
  expect((want.output as { log: string[] }).log).toEqual(expect.arrayContaining(['by hand', 'checker is done with 4']));
  const tally = new Tally();
  // a third of them
  const points = range(n).filter((at) => at % 3 === SEED % 3);
  await each(points, async (at) => void (await fork(tally, from, at, { want, spent: true })));
  tally.print(`a fork of that graph, killed at ${points.length} of its ${n} points, RONDO_CRASH_SEED=${SEED}`);
  checkHits(tally.hits, points.length);
  tally.check();
});

test('forks from every entry, killed at any point, come to the same end', async () => {
  const draw = random(SEED + 5);
  // after the last but two there is nothing left to do
  const positions = undisturbed.entries.slice(0, -2).map(({ seq }: Entry) => seq);
  const tally = new Tally();
  await each(positions, async (at) => {
    // the later it was forked, the fewer points are left
    const left = Math.ceil((1 - at / undisturbed.entries.length) * 100);
    await fork(tally, { at }, 1 + Math.floor(draw() * left), { want: undisturbed, spent: false });
  });
  tally.print(`forks of that graph from each of its ${positions.length} entries, RONDO_CRASH_SEED=${SEED}`);
  expect(tally.hits).toBeGreaterThan(positions.length / 2);
  tally.check();
});
