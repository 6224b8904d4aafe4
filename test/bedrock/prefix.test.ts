import type { ContentBlock } from '@aws-sdk/client-bedrock-runtime';
import { describe, expect, test } from 'vitest';
import { type BedrockOptions, bedrock } from '../../src/adapters/bedrock/index.ts';
import { checkPrefixes } from '../../src/testing/index.ts';
import { answers, promptOf, TURNS, talk } from '../testing/conversation.ts';
import { says } from '../wire/bedrock.ts';
import { ID, user, wire } from './setup.ts';

const w = wire();
type Block = { cachePoint?: object };
const isPoint = (block: Block) => block.cachePoint !== undefined;
const without = (list: readonly Block[] = []) => list.filter((block) => !isPoint(block));

/** What each request of the conversation says, without cache points. */
const prompts = () =>
  w.server.calls.map(({ input }) =>
    promptOf({
      instructions: without(input.system),
      tools: without(input.toolConfig?.tools),
      messages: input.messages.map((m: { content: Block[] }) => ({ ...m, content: without(m.content) })),
    }),
  );

const content = (said: (typeof answers)[number], n: number): ContentBlock[] =>
  typeof said === 'string'
    ? [{ text: said }]
    : [
        { reasoningContent: { reasoningText: { text: `Thinking ${n}.`, signature: `c2ln${n}` } } },
        { text: `Turn ${n}.` },
        ...said.map(({ id, name, input }) => ({
          toolUse: { toolUseId: id, name, input: input as never },
        })),
      ];

describe.each([
  ['Claude', ID, { cache: true }],
  ['Claude without cache points', ID, {}],
  ['Claude with a budget of reasoning', ID, { cache: true, reasoning: { budgetTokens: 1024 } }],
  ['Nova', 'us.amazon.nova-pro-v1:0', { cache: true }],
  ['Llama', 'us.meta.llama3-3-70b-instruct-v1:0', {}],
  ['Mistral', 'mistral.mistral-large-2407-v1:0', {}],
] satisfies [string, string, BedrockOptions][])('%s', (_, id, o) => {
  test(`each request of ${TURNS} turns begins with the whole request before it`, async () => {
    for (const [n, said] of answers.entries()) w.server.next(says({ content: content(said, n) }));
    await talk(bedrock(id, { endpoint: w.server.url, ...o }));
    expect(prompts()).toHaveLength(answers.length);
    checkPrefixes(prompts());
  });
});

test('each request has a cache point where the one before ended, and at most four', async () => {
  for (const [n, said] of answers.entries()) w.server.next(says({ content: content(said, n) }));
  await talk(bedrock(ID, { endpoint: w.server.url }));
  const sent = w.server.calls.map(({ input }) => input);
  let end: number | undefined;
  for (const { system, toolConfig, messages } of sent) {
    const marked = messages.flatMap((m: { content: Block[] }, i: number) => (isPoint(m.content.at(-1) ?? {}) ? [i] : []));
    expect(marked.at(-1)).toBe(messages.length - 1);
    if (end !== undefined) expect(marked).toContain(end);
    expect([system.filter(isPoint).length, toolConfig.tools.filter(isPoint).length]).toEqual([1, 1]);
    expect(JSON.stringify([system, toolConfig, messages]).match(/"cachePoint"/g)?.length).toBeLessThanOrEqual(4);
    end = messages.length - 1;
  }
});

test('more images than a request may hold leave it seldom, not with each new one', async () => {
  const image = (n: number) => ({ type: 'image', mediaType: 'image/png', data: Buffer.from(`image ${n}`).toString('base64') }) as const;
  const model = bedrock(ID, { endpoint: w.server.url });
  const messages = [];
  for (let n = 0; n < 60; n++) {
    messages.push(user(image(n)));
    w.server.next(says('ok'));
    await model.generate({ instructions: '', tools: [], messages }, { signal: new AbortController().signal });
  }
  let moves = 0;
  const all = prompts();
  all.forEach((prompt, i) => {
    const images = JSON.stringify(prompt.messages).match(/"image"/g) ?? [];
    expect(images.length).toBeLessThanOrEqual(20);
    expect(images.length).toBeGreaterThan(Math.min(i, 9));
    try {
      // the messages of one role are merged, so the blocks are compared
      const [before, now] = [all[i - 1], prompt].map((p) => promptOf({ messages: blocksOf(p?.messages) }));
      if (before && now) checkPrefixes([before, now]);
    } catch {
      moves++;
    }
  });
  expect(moves).toBeGreaterThan(0);
  expect(moves).toBeLessThanOrEqual(4);
});

const blocksOf = (messages: readonly unknown[] = []) => (messages as { content: object[] }[]).flatMap(({ content: blocks }) => blocks);
