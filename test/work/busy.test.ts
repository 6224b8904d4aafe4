import { expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { working } from './setup.ts';

const EVERY = 600_000;
const OTHERS = 100;

test.each(journals)('on $name: a loop that is never idle looks at what changed elsewhere as often as one that is', async ({ make }) => {
  const { journal, another } = make();
  const seen: string[] = [];
  const gates = { first: deferred(), gate: deferred() };
  const a = agent({
    name: 'a',
    instructions: '',
    model: scripted(async ({ messages }) => {
      const [part] = messages.at(-1)?.content ?? [];
      const text = part?.type === 'text' ? part.text : '';
      seen.push(text);
      if (text === 'first' || text === 'gate') await gates[text].promise;
      return text;
    }),
  });
  // neither store tells of what is written through the other
  const elsewhere = new Engine({ journal: around(another(), {}) });
  const first = elsewhere.run(a, 'first', { session: 's' });
  await until(() => seen.length === 1);
  const queue = new Engine({ journal });
  await queue.enqueue(a, 'second', { session: 's' });
  await queue.enqueue(a, 'gate');
  for (let i = 0; i < OTHERS; i++) await queue.enqueue(a, `other ${i}`);
  working({ journal: around(journal, {}), agents: [a] }, { concurrency: 1, every: EVERY });
  await until(() => seen.includes('gate'));
  expect(seen).toEqual(['first', 'gate']);

  gates.first.resolve();
  await ends(first, 'completed');
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + EVERY);
  onTestFinished(() => clock.mockRestore());
  gates.gate.resolve();
  await until(() => seen.includes('second') || seen.length >= 2 + OTHERS);
  // not right after the gate: a store that answers later tells of it while others run
  expect(seen.indexOf('second')).toBeLessThan(2 + OTHERS);
});
