// Times and row numbers in the options of lists, as all stores have to take them.
import { describe, expect, test } from 'vitest';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

describe.each(journals)('lists on $name', ({ make }) => {
  const done = async () => {
    const pay = tool({ name: 'pay', description: '', input: anything, execute: () => 'paid' });
    const engine = new Engine({ journal: make().journal });
    await ends(
      engine.run(agent({ name: 'a', instructions: '', model: scripted([asks(['pay', {}]), 'done']), tools: [pay] }), 'go'),
      'completed',
    );
    const [effect] = await all(engine.effects());
    return { engine, at: effect?.at as number };
  };

  test('since a fraction of a millisecond are those of the next one', async () => {
    const { engine, at } = await done();
    for (const [since, found] of [
      [at - 0.5, 1],
      [at, 1],
      [at + 0.5, 0],
    ] as const) {
      expect(await all(engine.effects({ since }))).toHaveLength(found);
      expect(await engine.effectSums({ since })).toHaveLength(found);
      expect(await all(engine.deadLetters({ since }))).toEqual([]);
    }
  });

  test.each([1e300, Number.NaN, Number.POSITIVE_INFINITY, -9e15, '2026-01-01' as never])('since %s is refused', async (since) => {
    const { engine } = await done();
    await refused('CONFIG_INVALID', all(engine.effects({ since })));
    await refused('CONFIG_INVALID', engine.effectSums({ since }));
    await refused('CONFIG_INVALID', all(engine.deadLetters({ since })));
    await refused('CONFIG_INVALID', engine.search({ tool: 'pay', since }));
  });

  test.each([1.5, Number.POSITIVE_INFINITY, 1e300])('%s names neither a place in a list nor an event', async (odd) => {
    const { engine } = await done();
    const by = { id: 'ana' };
    await refused('CONFIG_INVALID', all(engine.runs({ after: { runId: 'x', startedAt: odd } })));
    await refused('CONFIG_INVALID', all(engine.effects({ cursor: { runId: 'x', callId: 'y', at: odd, outcome: 'done' } })));
    await refused('CONFIG_INVALID', all(engine.deadLetters({ cursor: { kind: 'event', at: 1, nr: odd } })));
    await refused('DECISION_INVALID', engine.retry({ kind: 'event', nr: odd }, { by }));
    await refused('DECISION_INVALID', engine.dismiss({ kind: 'event', nr: odd }, { by, reason: 'no' }));
  });
});
