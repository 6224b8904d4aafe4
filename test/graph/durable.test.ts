import { describe, expect, test } from 'vitest';
import { Engine, type NodeContext } from '../../src/index.ts';
import { dies, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { working } from './working.ts';

const ben = { id: 'ben' };

describe.each(journals)('durable steps on $name', ({ make }) => {
  test('are done once, whatever becomes of the process after them', async () => {
    const { journal, another } = make();
    const done: string[] = [];
    const work = async ({ durable }: NodeContext) => {
      const a = await durable('charge', () => `charged ${done.push('charge')}`);
      const b = await durable('mail', async () => `mailed ${done.push('mail')}`, { effect: 'idempotent' });
      return `${a}, ${b}`;
    };
    const first = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished' && e.call === '1.0') });
    const run = first.run(working(work), {});
    await expect(run).rejects.toThrow('gone');
    expect(done).toEqual(['charge', 'mail']);
    await expireLease(journal, run.id);
    const result = await ends(new Engine({ journal: another(), agents: [working(work)] }).resume(run.id), 'completed');
    expect(result.output).toEqual({ said: 'charged 1, mailed 2' });
    expect(done).toEqual(['charge', 'mail']);
  });

  test('a once step that was cut off is unknown, until an operator says what became of it', async () => {
    const { journal, another } = make();
    let charged = 0;
    const work = ({ durable }: NodeContext) => durable('charge', () => `charged ${++charged}`);
    const first = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished' && e.call === '1.0/charge') });
    const run = first.run(working(work), {});
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const second = new Engine({ journal: another(), agents: [working(work)] });
    const failed = await ends(second.resume(run.id), 'failed');
    expect(failed.error).toMatchObject({ code: 'OUTCOME_UNKNOWN', outcome: 'unknown' });
    const { unknowns } = await second.inspect(run.id);
    expect(unknowns).toMatchObject([{ callId: '1.0/charge', tool: 'charge' }]);
    expect(charged).toBe(1);
    // nothing is gained by asking again
    await ends(second.resume(run.id), 'failed');
    await second.settle(run.id, '1.0/charge', { outcome: 'done', output: 'charged by hand', by: ben });
    expect((await second.inspect(run.id)).unknowns).toEqual([]);
    expect((await ends(second.resume(run.id), 'completed')).output).toEqual({ said: 'charged by hand' });
    expect(charged).toBe(1);
  });

  test('one that failed throws what it threw, and is done again by a node that runs again', async () => {
    const { journal } = make();
    let tries = 0;
    const work = ({ durable }: NodeContext) =>
      durable(
        'flaky',
        () => {
          if (++tries === 1) throw Object.assign(new Error('no route'), { code: 'ECONNREFUSED' });
          return `after ${tries}`;
        },
        { retry: { attempts: 1 } },
      );
    const g = working(work);
    const engine = new Engine({ journal, agents: [g] });
    const run = engine.run(g, {});
    const failed = await ends(run, 'failed');
    expect(failed.error).toMatchObject({ retryable: true, message: expect.stringContaining('no route') });
    expect((await ends(engine.resume(run.id), 'completed')).output).toEqual({ said: 'after 2' });
  });

  test('a name is a step of its node, and a wrong one is refused', async () => {
    const { journal } = make();
    let ran = 0;
    const same = working(async ({ durable }) => {
      const [a, b] = await Promise.allSettled([durable('x', () => ++ran), durable('x', () => ++ran)]);
      const c = await durable('x', () => ++ran).catch((error) => error.code);
      return `${a.status} ${b.status} ${c} ${ran}`;
    });
    const engine = new Engine({ journal });
    const run = engine.run(same, {});
    expect((await ends(run, 'completed')).output).toEqual({ said: 'fulfilled rejected STEP_INVALID 1' });
    const calls = (await entriesOf(journal, run.id)).flatMap((e) => ('call' in e ? [e.call] : []));
    expect(calls).toEqual(['1.0/x', '1.0/x', '1.0']);
    const empty = await ends(engine.run(graphOf(''), {}), 'failed');
    expect(empty.error.code).toBe('STEP_INVALID');
    const huge = await ends(
      engine.run(
        working(({ durable }) => durable('big', () => 'x'.repeat(2 ** 21))),
        {},
      ),
      'failed',
    );
    expect(huge.error.code).toBe('STEP_INVALID');
    // it was done, whatever became of its result
    let made = 0;
    const again = working(async ({ durable }) => {
      for (let i = 0; i < 2; i++) await durable('big', () => 'x'.repeat(2 ** 21 + made++)).catch(() => undefined);
      return String(made);
    });
    expect((await ends(engine.run(again, {}), 'completed')).output).toEqual({ said: '1' });
  });
  const graphOf = (name: string) => working(({ durable }) => durable(name, () => 'x'));
});
