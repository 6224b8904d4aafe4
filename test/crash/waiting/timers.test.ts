import { afterAll, beforeAll, expect, test } from 'vitest';
import { each } from '../lives.ts';
import { Tally } from '../tally.ts';
import { ANA, HOUR, MINUTE, START } from './agents.ts';
import { gaveUp, judge, runsOf, type Verdict } from './verdict.ts';
import { areAlone, type Phase, play, problemsOf, sampled, WaitingWorld } from './world.ts';

const DUE = START + 90 * MINUTE;
// before they are due, to the millisecond; when they are
const TIMES = [START, DUE - 1, DUE, DUE + HOUR];
const SLEEPERS = ['s1', 's2', 's3'];

const world = new WaitingWorld();
beforeAll(() =>
  world.prepare(async (engine, { sleeper, napper }) => {
    for (const id of SLEEPERS.slice(0, 2)) expect(await engine.run(sleeper, id, { id, by: ANA })).toMatchObject({ status: 'paused' });
    expect(await engine.run(napper, { what: 'n1' }, { id: 'n1', by: ANA })).toMatchObject({ status: 'paused' });
    // it begins to wait in the process that is killed
    await engine.enqueue(sleeper, 's3', { id: 's3', by: ANA });
  }),
);
afterAll(() => world.remove());

async function verdictOf(dir: string, alone: boolean): Promise<Verdict> {
  const runs = await runsOf(dir);
  const verdict = judge(dir, runs, alone);
  if (runs.length !== 4) verdict.lost.push(`there are ${runs.length} runs`);
  for (const { head, output, entries } of runs) {
    const { runId } = head;
    if (!SLEEPERS.includes(runId) || gaveUp({ head, output, entries })) continue;
    const { wokeAt } = JSON.parse(String(output)) as { wokeAt: string };
    if (Date.parse(wokeAt) < DUE) verdict.differences.push(`${runId} woke at ${wokeAt}`);
    const ends = entries.filter((e) => e.type === 'call.finished' && JSON.stringify(e.output ?? null).includes('wokeAt'));
    if (ends.length !== 1) verdict.duplicates.push(`${runId} woke ${ends.length} times`);
  }
  return verdict;
}

const cast = { work: { times: TIMES }, after: DUE + 3 * HOUR };
const pointsOf = (phase: Phase): Promise<number> => world.copy(async (dir) => (await play(dir, cast, [phase]))[0]?.points as number);

test('processes that wake runs, one or two at once, killed at their writes: each run wakes once, and not before its time', async () => {
  const points = await pointsOf({ work: [0] });
  const statements = await pointsOf({ work: [0], fine: true });
  const schedules = [
    ...sampled(points, 2).map((at): Phase[] => [{ work: [at] }]),
    ...sampled(statements, 19).map((at): Phase[] => [{ work: [at], fine: true }]),
    ...sampled(points, 7).map((at): Phase[] => [{ work: [at, at] }]),
    ...sampled(points, 13).map((at): Phase[] => [{ work: [at, 0] }, { work: [7] }]),
  ];
  const tally = new Tally();
  await each(schedules, (phases) =>
    world.copy(async (dir) => {
      const lives = await play(dir, cast, phases);
      tally.add([JSON.stringify(phases)], lives, await verdictOf(dir, areAlone(phases)));
      expect(problemsOf(lives)).toEqual([]);
    }),
  );
  tally.print(`timers, killed at a part of ${points} points and ${statements} statements, in ${schedules.length} schedules`);
  tally.check();
  expect(tally.hits).toBeGreaterThan(0.8 * schedules.length);
});
