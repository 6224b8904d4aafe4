import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { type Approval, Engine, type Entry, type RondoError } from '../../src/index.ts';
import { BEN } from './job.ts';
import { effects } from './ledger.ts';
import { startOwner } from './lives.ts';
import { journalIn } from './store.ts';
import { World } from './world.ts';

const world = new World();
afterAll(() => world.remove());

/** An engine that drives nothing, beside the one that does. */
const beside = async (dir: string) => {
  const journal = await journalIn(dir);
  return { journal, engine: new Engine({ journal }) };
};

async function entriesOf({ journal }: Awaited<ReturnType<typeof beside>>, run: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of journal.read(run)) entries.push(entry);
  return entries;
}

/** Waits until another process has asked for an approval. */
async function asked({ engine }: Awaited<ReturnType<typeof beside>>, run: string): Promise<Approval> {
  for (;;) {
    const found = await engine.inspect(run).catch(() => undefined);
    if (found?.approvals[0]) return found.approvals[0];
    await sleep(2);
  }
}

test.each([
  ['listens', 'a tool that listens to its signal'],
  ['deaf', 'a tool that does not'],
  ['thinks', 'a model that does not'],
  ['retries', 'the wait before a further attempt'],
])('a request to cancel reaches the process in %s (%s)', async (agent) => {
  const dir = world.folder();
  const owner = startOwner({ dir });
  owner.tell({ do: 'start', run: 'r', agent });
  await owner.said({ in: true, of: 'r' });
  const other = await beside(dir);
  const began = performance.now();
  await other.engine.cancel('r', { reason: 'enough', by: BEN });
  expect(await owner.said({ answer: true })).toMatchObject({ answer: 'cancelled' });
  const ms = performance.now() - began;
  console.log(`cancelled from another process, in ${agent}: after ${Math.round(ms)} ms`);

  const entries = await entriesOf(other, 'r');
  expect(entries.at(-1)).toMatchObject({ type: 'run.settled', status: 'cancelled', reason: 'enough' });
  expect(entries.filter(({ type }) => type === 'message.received')).toMatchObject([{ kind: 'cancel', by: { id: 'ben' } }]);
  const state = await other.engine.inspect('r');
  expect(state.status).toBe('cancelled');
  // the effect of a tool that was cut off is unknown, and listed
  expect(state.unknowns.map(({ tool }) => tool)).toEqual(agent === 'listens' || agent === 'deaf' ? [agent] : []);
  owner.tell({ do: 'release', run: 'r' });
  owner.leave();
  await owner.ended;
  await other.engine.close();
});

test('a run whose process is dead is cancelled at once, and so is a paused one', async () => {
  const dir = world.folder();
  const owner = startOwner({ dir });
  owner.tell({ do: 'start', run: 'dead', agent: 'deaf' });
  owner.tell({ do: 'start', run: 'paused', agent: 'asks' });
  await owner.said({ in: 'deaf' });
  await owner.said({ answer: 'paused' });
  owner.kill('SIGKILL');
  await owner.ended;
  const other = await beside(dir);
  for (const run of ['dead', 'paused']) {
    await other.engine.cancel(run, { reason: 'enough' });
    expect(await other.engine.inspect(run)).toMatchObject({ status: 'cancelled', approvals: [] });
  }
  expect((await other.engine.inspect('dead')).unknowns).toMatchObject([{ tool: 'deaf' }]);
  await other.engine.close();
});

test('a decision is taken up by the process that still runs the siblings, which never pauses', async () => {
  const dir = world.folder();
  const owner = startOwner({ dir });
  owner.tell({ do: 'start', run: 'r', agent: 'mixed' });
  await owner.said({ in: 'listens' });
  const other = await beside(dir);
  const approval = await asked(other, 'r');
  expect(await other.engine.decide('r', [{ approval: approval.id, type: 'approve' }], { by: BEN })).toEqual([]);
  owner.tell({ do: 'release', run: 'r' });
  expect(await owner.said({ answer: true })).toMatchObject({ answer: 'completed' });
  const entries = await entriesOf(other, 'r');
  expect(entries.filter(({ type }) => type === 'run.settled').length).toBe(1);
  expect(entries.filter(({ type }) => type === 'run.claimed')).toEqual([]);
  expect(
    effects(dir)
      .all()
      .map(({ tool }) => tool),
  ).toEqual(['listens', 'asks']);
  owner.leave();
  await owner.ended;
  await other.engine.close();
});

test('a decision or cancellation while the process writes is accepted', async () => {
  const ROUNDS = 40;
  const dir = world.folder();
  const owner = startOwner({ dir });
  const other = await beside(dir);
  const refused: string[] = [];
  const answers: unknown[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const run = `busy-${i}`;
    owner.tell({ do: 'release', run });
    owner.tell({ do: 'start', run, agent: 'busy' });
    const approval = await asked(other, run);
    const cancels = i % 4 === 3;
    await (cancels ? other.engine.cancel(run) : other.engine.decide(run, [{ approval: approval.id, type: 'approve' }], { by: BEN })).catch(
      (error: RondoError) => refused.push(`${cancels ? 'cancel' : 'decide'}: ${error.code}: ${error.message}`),
    );
    const expected = cancels ? 'cancelled' : 'completed';
    let { answer } = await owner.said({ answer: true, of: run });
    // on a busy machine all else may be done before the decision comes, and the run pauses: then a resume takes it up
    if (answer === 'paused') {
      owner.tell({ do: 'resume', run });
      ({ answer } = await owner.said({ answer: expected, of: run }));
    }
    answers.push(answer === expected || answer);
  }
  console.log(`decided or cancelled while the owner writes: ${ROUNDS} times, turned away ${refused.length}`);
  expect(refused).toEqual([]);
  expect(answers).toEqual(Array(ROUNDS).fill(true));
  owner.leave();
  await owner.ended;
  await other.engine.close();
});

test('of two processes that decide differently, one wins and the other gets an error', async () => {
  const ROUNDS = 40;
  const dir = world.folder();
  const owner = startOwner({ dir });
  const two = [await beside(dir), await beside(dir)] as const;
  for (let i = 0; i < ROUNDS; i++) {
    const run = `r-${i}`;
    owner.tell({ do: 'start', run, agent: 'asks' });
    await owner.said({ answer: 'paused', of: run });
    const [approval] = (await two[0].engine.inspect(run)).approvals;
    const id = approval?.id as string;
    const results = await Promise.allSettled([
      two[0].engine.decide(run, [{ approval: id, type: 'approve' }], { by: BEN }),
      two[1].engine.decide(run, [{ approval: id, type: 'reject', reason: 'no' }], { by: BEN }),
    ]);
    const codes = results.map((r) => (r.status === 'fulfilled' ? 'heard' : (r.reason as RondoError).code));
    expect(codes.sort(), run).toEqual(['APPROVAL_CLOSED', 'heard']);
    const decided = (await entriesOf(two[0], run)).filter(({ type }) => type === 'approval.decided');
    expect(decided.length).toBe(1);
  }
  owner.leave();
  await owner.ended;
  for (const { engine } of two) await engine.close();
});
