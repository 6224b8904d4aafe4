import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Schedule } from '../../../src/index.ts';
import { sha256 } from '../../../src/journal/canonical.ts';
import { each } from '../lives.ts';
import { checkHits, Tally } from '../tally.ts';
import { ANA, DAY, HOUR, START } from './agents.ts';
import { type Ended, judge, runsOf, type Verdict } from './verdict.ts';
import { areAlone, beside, type Phase, play, problemsOf, sampled, WaitingWorld } from './world.ts';

const FIRST = START + HOUR / 2;
const INSTANTS = [0, 1, 2, 3, 4].map((n) => FIRST + n * HOUR);
// the third and the fourth pass while no process works
const TIMES = [START, FIRST, FIRST + HOUR, FIRST + 3.5 * HOUR, FIRST + 4 * HOUR];
const NAMES = ['each', 'naps'] as const;

/** The id that the run of a time has. */
const idOf = (name: string, at: number) => `at-${sha256(JSON.stringify([ANA.tenant, name, at])).slice(0, 32)}`;

const world = new WaitingWorld();
beforeAll(() =>
  world.prepare(async (engine, { echo, sleeper }) => {
    const hourly = { cron: '0 * * * *', input: 'go', by: ANA };
    // it has changed so often that it is kept elsewhere soon
    for (let i = 0; i < 30; i++) await engine.schedule('each', { ...hourly, agent: echo });
    // its run sleeps longer than an hour
    await engine.schedule('naps', { ...hourly, agent: sleeper, overlap: 'queue' });
  }),
);
afterAll(() => world.remove());

/** Each time is a run or a miss, and never both. @param alone only one process worked at a time, so that nothing overlapped by chance. */
function judgeTimes(schedule: Schedule, runs: readonly Ended[], alone: boolean, verdict: Verdict): void {
  const { name, misses, missed, held } = schedule;
  if (missed !== misses.length) verdict.differences.push(`${name} missed ${missed}, and lists ${misses.length}`);
  for (const [i, at] of INSTANTS.entries()) {
    const listed = misses.filter((miss) => miss.at === at);
    const ran = runs.filter(({ head }) => head.runId === idOf(name, at)).length;
    const what = `${name} at its time ${i}`;
    if (ran + listed.length + (held === at ? 1 : 0) !== 1)
      (ran > 0 ? verdict.duplicates : verdict.lost).push(
        `${what} ran ${ran} times, is missed ${listed.length} times and held ${held === at}`,
      );
    for (const { why } of listed) {
      // catchUp is 1
      if (why === 'late' && i === 2) continue;
      if (why === 'overlap' && (name === 'naps' || !alone)) continue;
      verdict.lost.push(`${what} is missed: ${why}`);
    }
  }
  if (schedule.next !== FIRST + 5 * HOUR) verdict.differences.push(`${name} goes on at ${new Date(schedule.next ?? 0).toISOString()}`);
}

async function verdictOf(dir: string, alone: boolean): Promise<Verdict> {
  const runs = await runsOf(dir);
  const now = TIMES.at(-1) as number;
  // those of the schedule whose runs sleep may still do so
  const verdict = judge(
    dir,
    runs.filter(({ head }) => head.agent !== 'sleeper' || head.status !== 'paused'),
    alone,
  );
  const known = new Set(NAMES.flatMap((name) => INSTANTS.map((at) => idOf(name, at))));
  for (const { head } of runs) if (!known.has(head.runId)) verdict.duplicates.push(`${head.runId} is the run of no time`);
  await beside(
    dir,
    async (engine, _, clock) => {
      const schedules = await engine.schedules({ by: ANA });
      if (schedules.map(({ name }) => name).join() !== NAMES.join()) verdict.lost.push(`schedules: ${schedules.map(({ name }) => name)}`);
      for (const schedule of schedules) judgeTimes(schedule, runs, alone, verdict);
      // one that is removed starts nothing more
      for (const name of NAMES) await engine.unschedule(name, { by: ANA });
      clock.now += DAY;
      await engine.work({ every: 20 }).idle();
    },
    now,
  );
  const after = await runsOf(dir);
  if (after.length !== runs.length) verdict.duplicates.push(`${after.length - runs.length} runs of removed schedules`);
  return verdict;
}

const cast = { work: { times: TIMES } };
const pointsOf = (phase: Phase): Promise<number> => world.copy(async (dir) => (await play(dir, cast, [phase]))[0]?.points as number);

async function playAll(title: string, schedules: readonly (readonly Phase[])[]): Promise<number> {
  const tally = new Tally();
  await each(schedules, (phases) =>
    world.copy(async (dir) => {
      const lives = await play(dir, cast, phases);
      tally.add([JSON.stringify(phases)], lives, await verdictOf(dir, areAlone(phases)));
      expect(problemsOf(lives)).toEqual([]);
    }),
  );
  tally.print(title);
  tally.check();
  return tally.hits;
}

test('a process that serves schedules, killed at its writes: each time starts one run, or is listed', async () => {
  const points = await pointsOf({ work: [0] });
  const statements = await pointsOf({ work: [0], fine: true });
  const schedules = [
    ...sampled(points, 3).map((at): Phase[] => [{ work: [at] }]),
    ...sampled(statements, 29).map((at): Phase[] => [{ work: [at], fine: true }]),
  ];
  const hits = await playAll(`schedules, killed at a part of ${points} points and ${statements} statements`, schedules);
  checkHits(hits, schedules.length);
});

test('two processes that serve the same schedules at once, both killed', async () => {
  const schedules = sampled(80, 6, 3).map((at): Phase[] => [{ work: [at, at + 1] }, { work: [2 * at, 0] }]);
  const hits = await playAll(`schedules, two processes at once, ${schedules.length} schedules`, schedules);
  expect(hits).toBeGreaterThan(schedules.length);
});
