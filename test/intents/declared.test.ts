/** Options about intents and amounts that are wrong are refused where they are written, by each thing that takes them. */
import { tool as langchain } from '@langchain/core/tools';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { lambdaTools, openApiTools } from '../../src/adapters/gateway/index.ts';
import { langchainTool } from '../../src/adapters/langchain/index.ts';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { memoryJournal, tool } from '../../src/index.ts';
import { anything, refused } from '../kit/runs.ts';
import { asked, order } from './setup.ts';

const WRONG: readonly (readonly [options: object, says: RegExp])[] = [
  [{ key: 'refund:7' }, /key is a function of the input/],
  [{ key: () => 'k', same: 5 }, /same is a function of the input/],
  [{ same: () => 1 }, /same is about a key, and there is none/],
  [{ intent: 'refund' }, /intent is about a key, and there is none/],
  [{ key: () => 'k', intent: '' }, /intent is a text of 1 to 500/],
  [{ key: () => 'k', remember: -1 }, /remember is a number of milliseconds/],
  [{ kye: () => 'k' }, /Did you mean "key"/],
  [{ amount: 5 }, /amount is a function of the input/],
  [{ amount: { usd: 5 } }, /amount is a function of the input/],
  [{ cost: -1 }, /cost is -1/],
];

const TAKERS: Readonly<Record<string, (o: object) => unknown>> = {
  'tool()': (o) => tool({ name: 't', description: '', input: anything, execute: () => 1, ...o }),
  'langchainTool()': (o) =>
    langchainTool(
      langchain(() => 'x', { name: 't', description: '', schema: z.object({}) }),
      o,
    ),
  'mcpTools()': (o) => mcpTools({ command: 'x', intents: { t: o } } as never),
  'openApiTools()': (o) => openApiTools({ document: '{}', intents: { t: o } } as never),
  'lambdaTools()': (o) =>
    lambdaTools({
      target: 't',
      tools: [{ name: 't', description: '', inputSchema: { type: 'object' } }],
      invoke: async () => null,
      intents: { t: o },
    } as never),
};

test.each(Object.keys(TAKERS).flatMap((taker) => WRONG.map(([wrong, says]) => [taker, wrong, says] as const)))(
  '%s says what is wrong with %o',
  async (taker, wrong, says) => {
    expect((await refused('CONFIG_INVALID', () => TAKERS[taker]?.(wrong))).message).toMatch(says);
  },
);

test.each(['mcpTools()', 'openApiTools()', 'lambdaTools()'])(
  '%s says what is wrong with intents of a tool that are no object',
  async (taker) => {
    for (const wrong of [5, null, 'key', []])
      expect((await refused('CONFIG_INVALID', () => TAKERS[taker]?.(wrong as never))).message).toMatch(
        /intents of "t" takes its options as/,
      );
    // nor is a rule of approval part of an intent
    await refused('CONFIG_INVALID', () => TAKERS[taker]?.({ approval: true }));
  },
);

test.each([
  [{ units: ['usd'] }, /units are those of an amount/],
  [{ amount: () => ({ usd: 1 }), units: ['USD'] }, /units are a list of names/],
  [{ amount: () => ({ usd: 1 }), units: 'usd' }, /units are a list of names/],
  [{ check: 5 }, /check is a function/],
  [{ toModel: 'short' }, /toModel is a function/],
])('tool() says what is wrong with %o', async (wrong, says) => {
  expect((await refused('CONFIG_INVALID', () => TAKERS['tool()']?.(wrong))).message).toMatch(says);
});

test('a LangChain tool with a key does what it names once, over runs', async () => {
  let paid = 0;
  const refund = langchain(() => `receipt ${++paid}`, {
    name: 'refund',
    description: '',
    schema: z.object({ orderId: z.string(), cents: z.number() }),
  });
  const pays = langchainTool(refund, {
    key: ({ orderId }) => `refund:${orderId}`,
    amount: ({ cents }) => ({ usd: Number(cents) / 100 }),
  });
  const journal = memoryJournal();
  await asked(journal, [pays], order('7'));
  const { calls } = await asked(journal, [pays], order('7'));
  expect(calls).toMatchObject([{ ok: true, attempts: 0, repeated: {} }]);
  expect(paid).toBe(1);
});
