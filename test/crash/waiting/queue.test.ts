import { afterAll, beforeAll, expect, test } from 'vitest';
import { each } from '../lives.ts';
import { checkHits, Tally } from '../tally.ts';
import { acknowledged, deeds, START } from './agents.ts';
import type { Queued } from './child.ts';
import { type Ended, gaveUp, judge, runsOf, type Verdict } from './verdict.ts';
import { areAlone, type Phase, play, problemsOf, sampled, WaitingWorld } from './world.ts';

/** Of two tenants; in one of them there is a session. */
const QUEUED: readonly Queued[] = [
  ['q1', 'a', 's'],
  ['q2', 'a'],
  ['q3', 'b'],
  ['q4', 'a', 's'],
  ['q5', 'b'],
  ['q6', 'a', 's'],
  ['q7', 'a'],
].map(([id = '', tenant = '', session]) => ({ id, text: id, agent: 'echo' as const, tenant, ...(session !== undefined && { session }) }));

const world = new WaitingWorld();
beforeAll(() => world.prepare(async () => undefined));
afterAll(() => world.remove());

interface Play {
  phases: readonly Phase[];
  /** Each process drives one run at a time, so that those of a tenant begin in the order of the queue. */
  single?: boolean;
}

function judgeOrder(dir: string, runs: readonly Ended[], single: boolean, verdict: Verdict): void {
  const session = runs.filter(({ head }) => head.session !== undefined);
  // a run of the session that failed has said nothing that the next one could repeat
  if (!session.some(gaveUp))
    session.forEach(({ head, output }, i) => {
      const want = ['q1', 'q4', 'q6'].slice(0, i + 1).join('+');
      if (output !== want) verdict.differences.push(`${head.runId} said ${JSON.stringify(output)} instead of ${want}`);
    });
  if (!single) return;
  const began = deeds(dir)
    .all()
    .filter(({ kind }) => kind === 'began');
  const order = [...new Set(began.map(({ what }) => what))];
  for (const tenant of ['a', 'b']) {
    const ids = QUEUED.filter((run) => run.tenant === tenant).map(({ id }) => id);
    const mine = order.filter((id) => ids.includes(id)).join();
    if (mine !== ids.join()) verdict.differences.push(`those of ${tenant} began in the order ${mine}`);
  }
}

async function playAll(title: string, plays: readonly Play[]): Promise<number> {
  const tally = new Tally();
  await each(plays, ({ phases, single = false }) =>
    world.copy(async (dir) => {
      const cast = { tells: { enqueue: QUEUED }, work: { times: [START], ...(single && { concurrency: 1 }) } };
      const lives = await play(dir, cast, phases);
      const runs = await runsOf(dir);
      const verdict = judge(dir, runs, areAlone(phases));
      for (const { id, told } of acknowledged(dir).all()) {
        if (!runs.some(({ head }) => head.runId === id)) verdict.lost.push(`${id} was ${told}, and is gone`);
        if (told !== 'queued' && told !== 'RUN_EXISTS') verdict.differences.push(`${id} was refused: ${told}`);
      }
      if (runs.length !== QUEUED.length) verdict.lost.push(`there are ${runs.length} runs`);
      judgeOrder(dir, runs, single, verdict);
      tally.add([JSON.stringify(phases)], lives, verdict);
      expect(problemsOf(lives)).toEqual([]);
    }),
  );
  tally.print(title);
  tally.check();
  return tally.hits;
}

const cast = { tells: { enqueue: QUEUED }, work: { times: [START], concurrency: 1 } };
const pointsOf = (phase: Phase): Promise<number> =>
  world.copy(async (dir) => (await play(dir, cast, [phase])).at(phase.work ? -2 : 0)?.points as number);

test('a process that enqueues runs, killed at its writes, enqueues those again that no one answered', async () => {
  const points = await pointsOf({ tells: 0 });
  const statements = await pointsOf({ tells: 0, fine: true });
  const plays = [
    ...sampled(points, 2).map((at): Play => ({ phases: [{ tells: at }] })),
    ...sampled(statements, 9).map((at): Play => ({ phases: [{ tells: at, fine: true }] })),
  ];
  checkHits(
    await playAll(`a queue, killed at a part of ${points} points and ${statements} statements of who enqueues`, plays),
    plays.length,
  );
});

test('a process that drives a queue, killed at its writes: first in, first out', async () => {
  const points = await pointsOf({ work: [0] });
  const statements = await pointsOf({ work: [0], fine: true });
  const plays = [
    ...sampled(points, 4).map((at): Play => ({ phases: [{ work: [at] }], single: true })),
    ...sampled(statements, 31).map((at): Play => ({ phases: [{ work: [at], fine: true }], single: true })),
    ...sampled(points, 19).map((at): Play => ({ phases: [{ work: [at] }, { work: [5] }], single: true })),
  ];
  const hits = await playAll(`a queue, its worker killed at a part of ${points} points and ${statements} statements`, plays);
  checkHits(hits, plays.length);
});

test('two workers at once while runs are enqueued, all of them killed', async () => {
  const plays = Array.from(
    { length: 10 },
    (_, i): Play => ({
      phases: [{ tells: 3 + i, work: [8 + 3 * i, 0] }, { work: [10 + 4 * i, 20 + i] }],
    }),
  );
  const hits = await playAll(`a queue, two workers and one who enqueues, ${plays.length} schedules`, plays);
  expect(hits).toBeGreaterThan(2 * plays.length);
});
