import { expect, test } from 'vitest';
import { makeServer } from '../server.ts';
import { freshSchema } from '../setup.ts';
import { soak } from './soak.ts';

/** How long it lasts: `npm run soak:postgres` takes ten minutes. */
const SECONDS = Number(process.env.RONDO_SOAK_SECONDS ?? 12);

test(
  'two servers under load, one killed every few seconds: all runs finish, and nothing happens twice or is lost',
  async () => {
    const server = await makeServer({ fsync: true });
    await server.start();
    try {
      const { unfinished, duplicates, lost, lostApprovals, paidTwice, ...numbers } = await soak({
        url: server.url,
        name: freshSchema(),
        seconds: SECONDS,
        every: 3,
        clients: 12,
      });
      console.log(numbers);
      expect({ unfinished, duplicates, lost, lostApprovals, paidTwice }).toEqual({
        unfinished: [],
        duplicates: [],
        lost: [],
        lostApprovals: [],
        paidTwice: [],
      });
      expect(numbers.runs).toBeGreaterThan(0);
      expect(numbers.kills).toBeGreaterThan(1);
      expect(numbers.approvals).toBeGreaterThan(0);
    } finally {
      await server.remove();
    }
  },
  (SECONDS + 600) * 1_000,
);
