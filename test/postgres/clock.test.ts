import { afterEach, expect, test, vi } from 'vitest';
import { agent, Engine } from '../../src/index.ts';
import { all } from '../../src/testing/journal/kit.ts';
import { place } from './setup.ts';
import { sql } from './sql.ts';

afterEach(() => vi.restoreAllMocks());

const server = async () => Number((await sql<{ ms: string }>('SELECT floor(extract(epoch FROM clock_timestamp()) * 1000) AS ms'))[0]?.ms);

for (const off of [-3_600_000, 3_600_000])
  test(`a process whose clock is off by ${off / 60_000} minutes keeps its lease by the server's clock, and no other process takes it`, async () => {
    const { open } = place();
    const real = Date.now;
    vi.spyOn(Date, 'now').mockImplementation(() => real() + off);
    const journal = open();
    let asked = () => {};
    const thinking = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const model = {
      provider: 'test',
      id: 'waits',
      generate: async () => {
        asked();
        await answered;
        return { content: [{ type: 'text' as const, text: 'done' }], stop: 'end' as const };
      },
    };
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'clerk', instructions: '', model }), 'go');
    await thinking;
    const [head] = await all(journal.heads({ runId: run.id }));
    const left = (head?.leaseUntil ?? 0) - (await server());
    // it lasts 30 seconds, less the time that this test has taken
    expect(left).toBeLessThanOrEqual(30_000);
    expect(left).toBeGreaterThan(-600_000);
    vi.restoreAllMocks();
    const other = open();
    if (left > 10_000) expect(await other.renew(run.id, 'other', (await other.now?.()) as number)).toBe(false);
    expect(Math.abs(((await other.now?.()) as number) - (await server()))).toBeLessThan(600_000);
    answer();
    expect((await run).status).toBe('completed');
    await engine.close();
  });

test('now() is never ahead of the server', async () => {
  const { open } = place();
  const journal = open();
  for (let i = 0; i < 20; i++) {
    const told = (await journal.now?.()) as number;
    expect(told).toBeLessThanOrEqual(await server());
  }
});
