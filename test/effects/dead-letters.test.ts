import { describe, expect, test } from 'vitest';
import { Engine, graph, ToolError } from '../../src/index.ts';
import { all, entriesOf, journals } from '../kit/journals.ts';
import { anything, ends, refused } from '../kit/runs.ts';
import { acts, did, unindexed } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };
const lead = { id: 'lead', tenant: 'acme' };

describe.each(journals)('dead letters, on $name', ({ make }) => {
  test('are the effects that gave up or are unknown, until they are settled or dismissed', async () => {
    const { journal, another } = make();
    const engine = new Engine({ journal });
    const tools = [acts('act'), acts('look', { effect: 'read' })];
    const steps = ['done', 'failed', 'unknown'].map((then) => [['act', { then }] as const]);
    const { runId } = await did(engine, tools, [...steps, [['look', { then: 'failed' }]]], { by: ana });
    const letters = async (of = engine, by = ana) => all(of.deadLetters({ by, kind: 'call' }));
    const [unknown, failed] = await letters();
    expect([unknown, failed]).toMatchObject([
      { kind: 'call', tool: 'act', outcome: 'unknown' },
      { kind: 'call', outcome: 'failed', error: { code: 'NO' } },
    ]);
    expect(await letters(new Engine({ journal: unindexed(another()) }))).toHaveLength(2);
    expect(await letters(engine, { id: 'eve', tenant: 'evil' })).toEqual([]);
    if (!unknown || !failed) return;
    await engine.settle(runId, unknown.callId, { outcome: 'done', by: lead });
    expect(await letters()).toHaveLength(1);
    await refused('DECISION_INVALID', engine.dismiss(failed, { by: lead, reason: ' ' }));
    await refused('RUN_NOT_FOUND', engine.dismiss(failed, { by: { id: 'eve', tenant: 'evil' }, reason: 'mine' }));
    await engine.dismiss(failed, { by: lead, reason: 'paid by hand' });
    expect(await letters()).toEqual([]);
    expect((await entriesOf(journal, runId)).at(-1)).toMatchObject({ type: 'call.dismissed', by: lead, reason: 'paid by hand' });
    await refused('CALL_NOT_FOUND', engine.dismiss(failed, { by: lead, reason: 'again' }));
    expect(await all(engine.effects({ by: ana, outcome: 'failed' }))).toHaveLength(1);
  });

  test('are tried again where the run failed with them, and it is known that nothing happened', async () => {
    const { journal } = make();
    let broken = true;
    const g = graph({
      name: 'work',
      state: anything,
      nodes: {
        book: async (_, { durable }) => {
          const seat = await durable(
            'seat',
            () => {
              if (broken) throw new ToolError('FULL', 'no seat now', { outcome: 'not-run', retryable: true });
              return 3;
            },
            { effect: 'once', retry: { attempts: 1 } },
          );
          return { seat };
        },
      },
      edges: { start: 'book', book: 'end' },
    });
    const engine = new Engine({ journal, agents: [g] });
    await ends(engine.run(g, {}, { by: ana }), 'failed');
    const [letter] = await all(engine.deadLetters({ by: ana, kind: 'call' }));
    expect(letter).toMatchObject({ tool: 'seat', outcome: 'not-run' });
    if (!letter) return;
    broken = false;
    await ends(engine.retry(letter, { by: ana }), 'completed');
    expect(await all(engine.deadLetters({ by: ana, kind: 'call' }))).toEqual([]);
    expect(await all(engine.effects({ by: ana }))).toMatchObject([{ tool: 'seat', outcome: 'done', output: 3 }]);
  });

  test('are not tried again while unknown, and where the run went on without them', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    await did(engine, [acts('act')], [[['act', { then: 'unknown' }]], [['act', { then: 'failed' }]]], { by: ana });
    const letters = await all(engine.deadLetters({ by: ana, kind: 'call' }));
    const of = (outcome: string) => letters.find((l) => l.outcome === outcome) ?? { runId: '', callId: '' };
    await refused('DECISION_INVALID', engine.retry(of('unknown'), { by: ana }));
    await refused('RUN_ENDED', engine.retry(of('failed'), { by: ana }));
  });
});
