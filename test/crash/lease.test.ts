import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { effects } from './ledger.ts';
import { held, startOwner } from './lives.ts';
import { World } from './world.ts';

const world = new World();
afterAll(() => world.remove());

// the only test that waits for a real lease to end, which takes half a minute
test('a run of a silent owner is claimed when its lease expires; that of a working one is not, however long its tool takes', async () => {
  const dir = world.folder();
  const [silent, working, other] = [startOwner({ dir }), startOwner({ dir }), startOwner({ dir })];
  silent.tell({ do: 'start', run: 'silent', agent: 'deaf' });
  working.tell({ do: 'start', run: 'working', agent: 'deaf' });
  await Promise.all([silent.said({ in: 'deaf' }), working.said({ in: 'deaf' })]);
  silent.kill('SIGSTOP');
  await held(silent.pid);

  const began = performance.now();
  const resume = async (run: string) => {
    other.tell({ do: 'resume', run });
    return (await other.said({ answer: true, of: run })).answer;
  };
  let refused = 0;
  for (let answer = await resume('silent'); answer !== 'completed'; answer = await resume('silent')) {
    expect(answer).toBe('RUN_BUSY');
    expect(await resume('working')).toBe('RUN_BUSY');
    refused++;
    await sleep(500);
  }
  console.log(`a silent owner was taken over after ${((performance.now() - began) / 1_000).toFixed(1)} s and ${refused} times RUN_BUSY`);
  for (let i = 0; i < 10; i++) {
    expect(await resume('working')).toBe('RUN_BUSY');
    await sleep(500);
  }
  silent.kill('SIGCONT');
  silent.tell({ do: 'release', run: 'silent' });
  working.tell({ do: 'release', run: 'working' });
  expect(await silent.said({ answer: true })).toMatchObject({ answer: 'RUN_BUSY' });
  expect(await working.said({ answer: true })).toMatchObject({ answer: 'completed' });
  expect(effects(dir).all().length).toBe(2);
  for (const child of [silent, working, other]) child.leave();
  await Promise.all([silent, working, other].map((child) => child.ended));
});
