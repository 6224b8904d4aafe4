import { expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, graph, handoff, type Model, type Part, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, ends } from '../kit/runs.ts';

const all = async (texts: AsyncIterable<string>) => {
  const got: string[] = [];
  for await (const text of texts) got.push(text);
  return got;
};
const look = tool({ name: 'look', description: '', input: anything, execute: () => 'seen' });
/** Streams its script in pieces of two letters; a list is an answer with a call behind its text. */
const streaming = (script: readonly (string | [text: string, call: string])[]): Model => {
  let step = 0;
  return {
    provider: 'test',
    id: 'streaming',
    standin: true,
    async generate(_, { emit }) {
      const said = script[step++] as (typeof script)[number];
      const [text, call] = typeof said === 'string' ? [said] : said;
      for (const piece of text.match(/..?/g) ?? []) emit?.({ type: 'text', text: piece });
      const content: Part[] = [
        { type: 'text' as const, text },
        ...(call
          ? [{ type: 'toolCall' as const, id: `c${step}`, name: call, input: call.startsWith('handoff') ? {} : { task: 'x' } }]
          : []),
      ];
      return { content, stop: call ? 'tools' : 'end' };
    },
  };
};

test('text() streams what the agent says, with a blank line between two steps', async () => {
  const model = streaming([['Let me see.', 'look'], 'Order 7.']);
  const run = new Engine().run(agent({ name: 'a', instructions: '', model, tools: [look] }), 'go');
  const pieces = await all(run.text());
  expect(pieces.join('')).toBe('Let me see.\n\nOrder 7.');
  expect(pieces.length).toBeGreaterThan(2);
  await ends(run, 'completed');
});

test('a model that does not stream: each of its texts in one chunk', async () => {
  const speaking = streaming([['Let me see.', 'look'], 'Order 7.']);
  const silent: Model = { ...speaking, generate: (request, { signal }) => speaking.generate(request, { signal }) };
  const run = new Engine().run(agent({ name: 'a', instructions: '', model: silent, tools: [look] }), 'go');
  expect(await all(run.text())).toEqual(['Let me see.', '\n\nOrder 7.']);
});

test('text of a sub-agent is left out, unless it took over the conversation', async () => {
  const research = agent({ name: 'research', instructions: '', model: streaming(['secret notes']) });
  const billing = agent({ name: 'billing', instructions: '', model: streaming(['I am billing.']) });
  const model = streaming([
    ['One moment.', 'research'],
    ['I hand over.', 'handoff_to_billing'],
  ]);
  const desk = agent({ name: 'desk', instructions: '', model, agents: [research, handoff(billing)] });
  expect((await all(new Engine().run(desk, 'go').text())).join('')).toBe('One moment.\n\nI hand over.\n\nI am billing.');
});

test('a run without a text of its own gives its output, if that is text; one that failed gives none', async () => {
  const g = (output: (s: { n: string }) => unknown) =>
    graph({ name: 'g', state: z.object({ n: z.string() }), nodes: { n: () => ({ n: 'made' }) }, edges: { start: 'n', n: 'end' }, output });
  const engine = new Engine();
  expect(await all(engine.run(g((s) => s.n) as never, { n: '' } as never).text())).toEqual(['made']);
  expect(await all(engine.run(g((s) => s) as never, { n: '' } as never).text())).toEqual([]);
  const failing = engine.run(agent({ name: 'a', instructions: '', model: scripted([{ error: 'DOWN' } as never]) }), 'go');
  expect(await all(failing.text())).toEqual([]);
  await ends(failing, 'failed');
});

test('of a run that could not start, text() rejects as its events do', async () => {
  await expect(
    all(new Engine().run(agent({ name: 'a', instructions: '', model: scripted(['x']) }), 7 as never).text()),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
});
