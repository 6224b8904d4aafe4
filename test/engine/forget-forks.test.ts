/** Forks of forks whose content was forgotten: what is not known any more is not done again. */
import { describe, expect, test } from 'vitest';
import { agent, Engine, graph, type Journal, jsonSchema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, entryOf, journals } from '../kit/journals.ts';
import { asks, ends, refused } from '../kit/runs.ts';

type Transfer = { usd: number; to: string };
const DEFAULTS: Transfer = { usd: 100, to: 'house account' };

/** A schema that fills in what is missing, as Zod's `default()` does. */
const filled = {
  '~standard': {
    ...jsonSchema<Partial<Transfer>>({ type: 'object' })['~standard'],
    validate: (given: unknown) => ({ value: { ...DEFAULTS, ...(given as object) } as Transfer }),
  },
};

function bank() {
  const sent: Transfer[] = [];
  const transfer = tool({
    name: 'transfer',
    description: '',
    input: filled,
    execute: (input) => {
      sent.push(input as Transfer);
      return 'sent';
    },
  });
  const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['transfer', { usd: 3, to: 'ana' }])));
  return { sent, a: agent({ name: 'a', instructions: '', model, tools: [transfer] }) };
}

/** The journal as it was before the first entry of a run said what of it was forgotten. */
const older = (journal: Journal) =>
  around(journal, {
    rewrite: (runId, entries) => journal.rewrite?.(runId, JSON.parse(JSON.stringify(entries).replace(/,"forgotten":\d+/, ''))),
  });

describe.each(journals)('on $name', ({ make }) => {
  describe.each([
    ['now', (journal: Journal) => journal],
    ['before forks said what was forgotten', older],
  ])('forgotten %s', (_, as) => {
    test('a call whose arguments were forgotten does not run in a fork', async () => {
      const { journal, another } = make();
      const { sent, a } = bank();
      const engine = new Engine({ journal: as(journal), agents: [a] });
      await ends(engine.run(a, 'send Ana 3 dollars', { id: 'base' }), 'completed');
      const at = (await entryOf(journal, 'base', 'call.finished')).seq;
      const asked = (await entryOf(journal, 'base', 'model.responded')).seq;
      await ends(engine.fork('base', { at, id: 'fork' }), 'completed');
      await engine.forget('base');
      expect(sent.splice(0)).toEqual([{ usd: 3, to: 'ana' }]);
      for (const other of [engine, new Engine({ journal: another(), agents: [a] })])
        for (let before = asked; before < at; before++)
          expect((await refused('CONFIG_INVALID', other.fork('fork', { at: before }))).message).toContain('forgotten');
      expect(sent).toEqual([]);
      // one that ended is known to have ended, also in a fork of a fork
      await ends(engine.fork('fork', { at, id: 'again' }), 'completed');
      await refused('CONFIG_INVALID', engine.fork('again', { at: asked }));
      expect(sent).toEqual([]);
    });
  });

  test('a call that a fork made itself runs again in a fork of it', async () => {
    const { journal } = make();
    const { sent, a } = bank();
    const engine = new Engine({ journal, agents: [a] });
    await ends(engine.run(a, 'send Ana 3 dollars', { id: 'base' }), 'completed');
    await ends(engine.fork('base', { at: 0, id: 'fork' }), 'completed');
    await engine.forget('base');
    sent.length = 0;
    const { seq } = await entryOf(journal, 'fork', 'model.responded');
    await ends(engine.fork('fork', { at: seq }), 'completed');
    expect(sent).toEqual([{ usd: 3, to: 'ana' }]);
  });

  test('a graph whose state was forgotten goes on in a fork only with another one', async () => {
    const { journal } = make();
    const seen: unknown[] = [];
    const g = graph({
      name: 'g',
      state: jsonSchema<{ topic: string; draft?: string }>({ type: 'object' }),
      nodes: {
        plan: () => ({ draft: 'planned' }),
        write: (state) => {
          seen.push(state);
          return { draft: 'written' };
        },
      },
      edges: { start: 'plan', plan: 'write', write: 'end' },
    });
    const engine = new Engine({ journal, agents: [g] });
    await ends(engine.run(g, { topic: 'tides' }, { id: 'base' }), 'completed');
    const [planned] = (await entriesOf(journal, 'base')).filter(({ type }) => type === 'call.finished');
    const at = planned?.seq as number;
    await ends(engine.fork('base', { at: at - 1, id: 'fork' }), 'completed');
    await engine.forget('base');
    seen.length = 0;
    // `plan` ended in the fork itself, which had the state of the run that is forgotten
    await refused('CONFIG_INVALID', engine.fork('fork', { at: 1, state: { topic: 'rain' } }));
    const own = (await entryOf(journal, 'fork', 'call.finished')).seq;
    expect((await refused('CONFIG_INVALID', engine.fork('fork', { at: own }))).message).toContain('state');
    expect(seen).toEqual([]);
    await ends(engine.fork('fork', { at: own, state: { topic: 'rain' } }), 'completed');
    expect(seen).toEqual([{ topic: 'rain' }]);
  });
});
