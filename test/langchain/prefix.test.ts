import { AIMessage, AIMessageChunk } from '@langchain/core/messages';
import { expect, test } from 'vitest';
import { langchainModel } from '../../src/adapters/langchain/index.ts';
import { checkPrefixes } from '../../src/testing/index.ts';
import { answers, promptOf, TURNS, talk } from '../testing/conversation.ts';
import { asking, Talker } from './model.ts';

test(`each of ${TURNS} turns' requests begins with the whole request before it`, async () => {
  const model = new Talker(
    answers.map((said) =>
      typeof said === 'string' ? new AIMessage(said) : asking(...said.map(({ id, name, input }) => ({ id, name, args: input }))),
    ),
  );
  await talk(langchainModel(model));
  expect(model.seen).toHaveLength(answers.length);
  checkPrefixes(
    model.seen.map((messages, i) => promptOf({ tools: model.bound[i] as readonly unknown[], messages: messages.map((m) => m.toDict()) })),
  );
});

test('cache points are the call option of the classes that know it, if asked for', async () => {
  const seen: object[] = [];
  const chat = {
    invoke: async (_: never, options?: never) => {
      seen.push(options ?? {});
      return new AIMessage('ok');
    },
    stream: async (_: never, options?: never) => {
      seen.push(options ?? {});
      return (async function* () {
        yield new AIMessageChunk('ok');
      })();
    },
  };
  const request = { instructions: '', tools: [], messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }] } as const;
  const { signal } = new AbortController();
  const point = { cache_control: { type: 'ephemeral' } };
  for (const emit of [undefined, () => undefined]) {
    await langchainModel(chat, { cache: true }).generate(request, { signal, ...(emit && { emit }) });
    expect(seen.pop()).toMatchObject(point);
    await langchainModel(chat).generate(request, { signal, ...(emit && { emit }) });
    expect(seen.pop()).not.toHaveProperty('cache_control');
  }
});
