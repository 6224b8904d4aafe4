import { describe, expect, test } from 'vitest';
import { Engine, type NodeContext } from '../../src/index.ts';
import { working } from '../graph/working.ts';
import { entryOf, expireLease, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';

describe.each(journals)('a durable step that a crash cut off, on $name,', ({ make }) => {
  /** The node begins a step, its process dies, and the next one does this in its place. */
  async function afterCrash(effect: 'once' | 'idempotent', next: (ctx: NodeContext) => Promise<string>): Promise<[string, string[]]> {
    const { journal, another } = make();
    const keys: string[] = [];
    const hang = working(({ durable }) =>
      durable('first', ({ idempotencyKey }) => (keys.push(idempotencyKey), new Promise<never>(() => undefined)), { effect, key: 'k' }),
    );
    const run = new Engine({ journal }).run(hang, {}, { by: { id: 'ana' } });
    run.catch(() => undefined);
    await entryOf(journal, run.id, 'call.started');
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [working(next)] });
    const { output } = await ends(engine.resume(run.id), 'completed');
    return [(output as { said: string }).said, keys];
  }
  const code = (error: unknown) => String((error as { code?: string }).code);

  test('is not waited for by the next step of its key: whether it took effect is unknown', async () => {
    const ran: string[] = [];
    const [said] = await afterCrash('once', async ({ durable }) => {
      const first = await durable('first', () => ran.push('first'), { key: 'k' }).catch(code);
      const second = await durable('second', () => ran.push('second'), { key: 'k' }).catch(code);
      return `${first}, ${second}`;
    });
    expect(said).toBe('OUTCOME_UNKNOWN, OUTCOME_UNKNOWN');
    expect(ran).toEqual([]);
  });

  test('is done by the next step of its key, where it may be done twice and the node has not begun it again', async () => {
    const again: string[] = [];
    const [said, keys] = await afterCrash('idempotent', async ({ durable }) => {
      const pay = (name: string) =>
        durable(name, ({ idempotencyKey }) => `receipt ${again.push(idempotencyKey)}`, { key: 'k', effect: 'idempotent' });
      return `${await pay('second')}, ${await pay('first')}`;
    });
    expect(said).toBe('receipt 1, receipt 1');
    expect(again).toEqual(keys.slice(0, 1));
  });

  test('and that its node does not take again is unknown once the node has ended, while the run goes on', async () => {
    const { journal, another } = make();
    const hang = working(({ durable }) => durable('first', () => new Promise<never>(() => undefined), { key: 'k' }));
    const run = new Engine({ journal }).run(hang, {}, { by: { id: 'ana' } });
    run.catch(() => undefined);
    const { intent } = await entryOf(journal, run.id, 'call.started');
    await expireLease(journal, run.id);
    const next = another();
    const skips = working(async () => 'skipped');
    await ends(new Engine({ journal: next, agents: [skips] }).resume(run.id), 'completed');
    const claim = await next.claim?.({ tenant: undefined, intent: intent?.name ?? '', key: 'k' });
    expect(claim).toMatchObject({ state: 'unknown', holder: { run: run.id } });
  });
});
