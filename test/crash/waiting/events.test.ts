import { afterAll, beforeAll, expect, test } from 'vitest';
import { each } from '../lives.ts';
import { checkHits, Tally } from '../tally.ts';
import { ANA, acknowledged, DAY, START } from './agents.ts';
import type { Sent } from './child.ts';
import { gaveUp, judge, runsOf, taken, type Verdict } from './verdict.ts';
import { areAlone, beside, type Phase, play, problemsOf, sampled, WaitingWorld } from './world.ts';

const SENT: readonly Sent[] = [
  { id: 'e1', topic: 't1', text: 'one' },
  { id: 'e2', topic: 't1', text: 'two' },
  // for the third run of the topic, which begins to wait meanwhile
  { id: 'e3', topic: 't1', text: 'three' },
  { id: 'bad', topic: 't2', text: 5 },
  { id: 'e4', topic: 't2', text: 'four' },
  // for none
  { id: 'e5', topic: 't3', text: 'five' },
  { id: 'e6', topic: 't4', text: 'six', all: true },
  { id: 'e7', topic: 't7', text: 'seven' },
];
/** What each run must have taken, and say. */
const WANT: Readonly<Record<string, readonly [events: readonly string[], says?: string]>> = {
  r1: [['e1'], 'one'],
  r2: [['e2'], 'two'],
  r3: [['e4'], 'four'],
  r4: [['e6'], 'six'],
  r5: [['e6'], 'six'],
  r6: [[], 'no reply'],
  r7: [['e7']],
  r8: [['e3'], 'three'],
};
// three days later a wait is over, and ten days later an event has expired
const TIMES = [START, START + 4 * DAY];
const LATER = START + 10 * DAY;

const world = new WaitingWorld();
beforeAll(() =>
  world.prepare(async (engine, { listener, inbox }) => {
    for (const [id, topic] of [
      ['r1', 't1'],
      ['r2', 't1'],
      ['r3', 't2'],
      ['r4', 't4'],
      ['r5', 't4'],
      ['r6', 't5'],
    ] as const)
      expect(await engine.run(listener, topic, { id, by: ANA })).toMatchObject({ status: 'paused' });
    expect(await engine.run(inbox, { topic: 't7' }, { id: 'r7', by: ANA })).toMatchObject({ status: 'paused' });
    await engine.enqueue(listener, 't1', { id: 'r8', by: ANA });
  }),
);
afterAll(() => world.remove());

async function verdictOf(dir: string, alone: boolean): Promise<Verdict> {
  const runs = await runsOf(dir);
  const verdict = judge(dir, runs, alone);
  for (const run of runs) {
    const { runId } = run.head;
    const [events, says] = WANT[runId] ?? [[]];
    const [got, want] = [taken(run).join(), events.join()];
    // what it did not come to is judged below: its event must be listed then
    if (gaveUp(run) && got === '') continue;
    if (got !== want) verdict.differences.push(`${runId} took ${got || 'nothing'}, and not ${want}`);
    if (says !== undefined && !gaveUp(run) && run.output !== says)
      verdict.differences.push(`${runId} said ${JSON.stringify(run.output)}, and not ${says}`);
  }
  // what is not delivered is listed
  const listed = await beside(dir, (engine) => engine.events({ by: ANA }), LATER);
  const states = new Map(listed.map(({ id, state }) => [id, state]));
  if (states.size !== listed.length) verdict.duplicates.push(`listed twice: ${listed.map(({ id }) => id).join()}`);
  for (const { id, told } of acknowledged(dir).all()) {
    const delivered = runs.some((run) => taken(run).includes(id));
    const state = states.get(id);
    if (!delivered && state !== 'rejected' && state !== 'expired') verdict.lost.push(`${id} was ${told}, and is ${state ?? 'gone'}`);
    if (delivered && state !== undefined) verdict.duplicates.push(`${id} was delivered, and is listed as ${state}`);
    if (told.startsWith('EVENT_REJECTED') !== (id === 'bad') || (id === 'bad' && state !== 'rejected'))
      verdict.differences.push(`${id} was told to be ${told}, and is ${state}`);
    if (!['assigned', 'taken', 'waiting', 'EVENT_REJECTED'].includes(told)) verdict.differences.push(`${id} was refused: ${told}`);
  }
  for (const { id } of SENT) if (!runs.some((run) => taken(run).includes(id)) && !states.has(id)) verdict.lost.push(`${id} is nowhere`);
  return verdict;
}

const cast = { tells: { send: SENT }, work: { times: TIMES } };

/** @returns how many lives were killed. */
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

/** How many points the process of a phase passes, which tells or works. */
const pointsOf = (phase: Phase): Promise<number> =>
  world.copy(async (dir) => (await play(dir, cast, [phase])).at(phase.work ? -2 : 0)?.points as number);

test('a process that sends events, killed at each of its writes, sends those again that no one answered', async () => {
  const [points, statements] = [await pointsOf({ tells: 0 }), await pointsOf({ tells: 0, fine: true })];
  const schedules = [
    ...sampled(points, 1).map((at): Phase[] => [{ tells: at }]),
    ...sampled(statements, 11).map((at): Phase[] => [{ tells: at, fine: true }]),
  ];
  checkHits(
    await playAll(`events, the sender killed at ${points} points and a part of its ${statements} statements`, schedules),
    schedules.length,
  );
});

test('a process that drives runs to which events come, killed at its writes', async () => {
  const points = await pointsOf({ work: [0] });
  const statements = await pointsOf({ work: [0], fine: true });
  const schedules = [
    ...sampled(points, 5).map((at): Phase[] => [{ work: [at] }]),
    ...sampled(statements, 41).map((at): Phase[] => [{ work: [at], fine: true }]),
  ];
  checkHits(
    await playAll(`events, the worker killed at a part of ${points} points and ${statements} statements`, schedules),
    schedules.length,
  );
});

test('two workers at once while events are sent, all of them killed', async () => {
  const schedules = Array.from({ length: 12 }, (_, i): Phase[] => [
    { tells: 2 + i, work: [9 + 4 * i, 0] },
    { work: [11 + 3 * i, 25 + 2 * i] },
  ]);
  const hits = await playAll(`events, two workers and a sender, ${schedules.length} schedules`, schedules);
  expect(hits).toBeGreaterThan(2 * schedules.length);
});
