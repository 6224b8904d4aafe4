import { afterAll, expect, test } from 'vitest';
import { Engine } from '../../src/index.ts';
import type { AskerOrder } from './asker.ts';
import { effects } from './ledger.ts';
import { each, type Life, start } from './lives.ts';
import type { Where } from './points.ts';
import { outside, World } from './world.ts';

const BY = { id: 'ana', tenant: 'acme' };
const TOOLS = ['once', 'checked', 'idempotent'];
const world = new World();
afterAll(() => world.remove());

const asker = (order: AskerOrder): Promise<Life> => start('asker', order, { longest: 90_000 }).ended;

/** Two processes ask for the same keys at once, each killed at a point; then both runs are recovered, one after the other. */
async function play(dir: string, kills: readonly [Where, Where]): Promise<Life[]> {
  const lives = await Promise.all(kills.map((at, i) => asker({ dir, run: `r${i}`, at })));
  for (const i of [0, 1]) lives.push(await asker({ dir, run: `r${i}`, at: 0 }));
  return lives;
}

async function check(dir: string, where: string): Promise<number> {
  const done = effects(dir).all();
  let unknown = 0;
  for (const name of TOOLS) {
    const keys = done.filter((e) => e.tool === name).map(({ key }) => key);
    expect(new Set(keys).size, `${where}: ${name} ran under several keys`).toBeLessThanOrEqual(1);
    // a service makes one effect of those under one idempotency key
    if (name !== 'idempotent') expect(keys.length, `${where}: ${name} took effect ${keys.length} times`).toBeLessThanOrEqual(1);
    await outside(dir, async (journal) => {
      const claim = await journal.claim?.({ tenant: 'acme', intent: name, key: '7' });
      expect(['done', 'unknown'], `${where}: ${name} is ${claim?.state}`).toContain(claim?.state);
      if (name !== 'once') expect(claim?.state, `${where}: ${name}`).toBe('done');
      if (claim?.state === 'done') return expect(keys.length, `${where}: ${name} is done without an effect`).toBeGreaterThan(0);
      unknown++;
      // an operator settles it, once
      const engine = new Engine({ journal });
      const { run = '', call = '' } = claim?.holder ?? {};
      await engine.settle(run, call, { outcome: keys.length > 0 ? 'done' : 'not-run', by: BY });
      const settled = await journal.claim?.({ tenant: 'acme', intent: name, key: '7' });
      expect(settled?.state, where).toBe(keys.length > 0 ? 'done' : 'free');
    });
  }
  return unknown;
}

test('two processes that ask for the same keys, killed at every point: no effect happens twice, and every key is done or can be settled', async () => {
  const dir = world.folder();
  const alone = await asker({ dir, run: 'r0', at: 0 });
  const points = alone.points as number;
  expect(alone.end).toMatchObject({ status: 'completed' });
  const numbers = Array.from({ length: points }, (_, i) => i + 1);
  const schedules = [
    ...numbers.flatMap((at): [Where, Where][] => [
      [at, 0],
      [at, at],
    ]),
    ...TOOLS.flatMap((name): [Where, Where][] => [
      [`in ${name}, before`, `in ${name}, before`],
      [`in ${name}, after`, 'before append of call.finished'],
    ]),
  ];
  let hits = 0;
  let unknown = 0;
  await each(schedules, async (kills) => {
    const own = world.folder();
    const lives = await play(own, kills);
    hits += lives.filter(({ at }) => at).length;
    for (const { end } of lives.slice(2)) expect(end, `${kills}`).toMatchObject({ status: 'completed' });
    unknown += await check(own, `${kills}: ${lives.map(({ at }) => at ?? '-').join(' | ')}`);
  });
  console.log(`two processes and the same keys: ${schedules.length} schedules, ${hits} kills, ${unknown} keys settled by an operator`);
  expect(hits).toBeGreaterThan(points);
});
