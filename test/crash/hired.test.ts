import { afterAll, expect, test } from 'vitest';
import { Engine } from '../../src/index.ts';
import type { HiredOrder } from './hired.ts';
import { effects } from './ledger.ts';
import { each, type Life, start } from './lives.ts';
import { checkHits } from './tally.ts';
import { outside, World } from './world.ts';

const BY = { id: 'ana', tenant: 'acme' };
const world = new World();
afterAll(() => world.remove());

const live = (order: HiredOrder): Promise<Life> => start('hired', order, { longest: 90_000 }).ended;
const endsOf = ({ end }: Life) => (end as unknown as { ends: Readonly<Record<string, string>> }).ends;

/** A foreign agent is killed, another run asks for the same, and the first is recovered; then both are asked again, and a third run. */
async function play(effect: HiredOrder['effect'], at: HiredOrder['at']): Promise<{ lives: Life[]; unknown: boolean }> {
  const dir = world.folder();
  const lives = [await live({ dir, effect, at, runs: ['r0'] })];
  lives.push(await live({ dir, effect, at: 0, runs: ['r1', 'r0'] }));
  const where = `${effect}, ${at}: ${lives[0]?.at}`;
  const times = (n: number) =>
    effects(dir)
      .all()
      .filter((one) => one.n === n);
  const claimed = () => outside(dir, async (journal) => journal.claim?.({ tenant: 'acme', intent: effect, key: '7' }));
  const claim = await claimed();
  const unknown = claim?.state === 'unknown';
  if (unknown) {
    expect(effect, where).toBe('once');
    expect(endsOf(lives[1] as Life), where).toEqual({ r0: 'OUTCOME_UNKNOWN', r1: 'OUTCOME_UNKNOWN' });
    // an operator finds out whether the turn that was cut off has run
    const { run = '', call = '' } = claim?.holder ?? {};
    const did = times(await turnOf(dir, run, call)).length > 0;
    await outside(dir, (journal) =>
      new Engine({ journal }).settle(run, call, did ? { outcome: 'done', output: 'receipt', by: BY } : { outcome: 'not-run', by: BY }),
    );
  }
  lives.push(await live({ dir, effect, at: 0, runs: ['r0', 'r2', 'r1'] }));
  expect(endsOf(lives[2] as Life), where).toMatchObject({ r0: 'completed: receipt', r2: 'completed: receipt' });
  expect((await claimed())?.state, where).toBe('done');
  const keys = [1, 2].map((n) => {
    const all = times(n).map(({ key }) => key);
    // a service makes one effect of those under one idempotency key
    if (effect === 'idempotent') return [...new Set(all)];
    return all;
  });
  expect(keys[0], `${where}: the first turn`).toHaveLength(1);
  // an operator who said that the first turn was all left nothing to the second
  expect(keys[1]?.length, `${where}: the second turn`).toBeLessThanOrEqual(1);
  if (!unknown) expect(keys[1], `${where}: the second turn`).toHaveLength(1);
  expect(keys[0], where).not.toEqual(keys[1]);
  return { lives, unknown };
}

/** Which turn of the agent a call is: the first is the one that no answers led to. */
const turnOf = (dir: string, run: string, call: string): Promise<number> =>
  outside(dir, async (journal) => {
    for await (const entry of journal.read(run)) if (entry.type === 'frame.began') return call.startsWith(`${entry.seq}.`) ? 1 : 2;
    return 1;
  });

test.each([
  ['once', 1],
  ['idempotent', 3],
] as const)('a foreign agent with a key (%s), killed at its points: nothing it does happens twice', async (effect, nth) => {
  const points = (await live({ dir: world.folder(), effect, at: 0, runs: ['r0'] })).points as number;
  const kills = Array.from({ length: Math.ceil(points / nth) }, (_, i) => 1 + i * nth);
  let hits = 0;
  let unknowns = 0;
  await each(kills, async (at) => {
    const { lives, unknown } = await play(effect, at);
    if (lives[0]?.at) hits++;
    if (unknown) unknowns++;
  });
  console.log(
    `a foreign agent with a key (${effect}): ${kills.length} of ${points} points, ${hits} kills, ${unknowns} settled by an operator`,
  );
  checkHits(hits, kills.length);
  expect(unknowns > 0).toBe(effect === 'once');
});
