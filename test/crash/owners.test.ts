import { afterAll, expect, test } from 'vitest';
import { agent, Engine } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { BEN } from './job.ts';
import { effects } from './ledger.ts';
import { type Child, startOwner } from './lives.ts';
import { journalIn } from './store.ts';
import { random, SEED } from './tally.ts';
import { World } from './world.ts';

const world = new World();
afterAll(() => world.remove());

const ROUNDS = 150;
const runs = Array.from({ length: ROUNDS }, (_, i) => `race-${i}`);

/** Runs of a process that was killed while its models thought. */
async function killed(dir: string): Promise<void> {
  const first = startOwner({ dir, hang: true });
  for (const run of runs) first.tell({ do: 'start', run, agent: 'listens' });
  await Promise.all(runs.map((of) => first.said({ in: 'model', of })));
  first.kill('SIGKILL');
  await first.ended;
}

/** Runs that paused, and were answered. */
async function answered(dir: string): Promise<void> {
  const first = startOwner({ dir });
  for (const run of runs) first.tell({ do: 'start', run, agent: 'asks' });
  for (const of of runs) expect(await first.said({ answer: true, of })).toMatchObject({ answer: 'paused' });
  first.leave();
  await first.ended;
  // who decides need not know the agent
  const engine = new Engine({
    journal: await journalIn(dir),
    agents: [agent({ name: 'other', instructions: '', model: scripted([]) })],
  });
  for (const run of runs) {
    const { approvals } = await engine.inspect(run);
    await engine.decide(run, [{ approval: approvals[0]?.id as string, type: 'approve' }], { by: BEN });
  }
  await engine.close();
}

test.each([
  ['runs whose process was killed', killed, false],
  ['runs that were approved', answered, false],
  ['runs whose process was killed, both sure to have the lease', killed, true],
] as const)('two processes resume at the same moment: %s', async (title, prepare, blind) => {
  const dir = world.folder();
  await prepare(dir);
  const two = [startOwner({ dir, blind }), startOwner({ dir, blind })] as const;
  const draw = random(SEED);
  let wins = 0;
  for (const run of runs) {
    const at = Date.now() + 4;
    for (const child of two) child.tell({ do: 'resume', run, at: draw() < 0.5 ? at : at + draw() });
    const answers = await bothAnswers(two, run);
    expect([...answers].sort(), run).toEqual(['RUN_BUSY', 'completed']);
    if (answers[0] === 'completed') wins++;
  }
  for (const child of two) child.leave();
  await Promise.all(two.map((child) => child.ended));
  const keys = effects(dir)
    .all()
    .map(({ key }) => key);
  console.log(
    `two processes resume ${title}: ${ROUNDS} rounds, the first won ${wins}, ${ROUNDS} times RUN_BUSY, effects ${keys.length}, keys ${new Set(keys).size}`,
  );
  expect(keys.length).toBe(ROUNDS);
  expect(new Set(keys).size).toBe(ROUNDS);
});

/** The winner is held in its tool until the loser has answered. */
async function bothAnswers(two: readonly Child[], run: string): Promise<string[]> {
  const answers = two.map((child) => child.said({ answer: true, of: run }).then(({ answer }) => answer as string));
  await Promise.race(answers);
  for (const child of two) child.tell({ do: 'release', run });
  return Promise.all(answers);
}
