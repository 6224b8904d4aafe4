import { expect, test } from 'vitest';
import type { Message, ModelRequest } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';

const call = { signal: new AbortController().signal };

test('a scripted model measures each message once, however long the run, and records each request', async () => {
  let written = 0;
  const messages: Message[] = [];
  const say = (text: string) =>
    messages.push({
      role: 'user',
      content: [{ type: 'text', text }],
      toJSON() {
        written++;
        return { role: 'user', content: [{ type: 'text', text }] };
      },
    } as Message);
  const model = scripted(() => 'ok');
  const request: ModelRequest = { instructions: '', messages, tools: [] };
  for (let n = 1; n <= 200; n++) {
    say(`message ${n}`);
    const { usage } = await model.generate(request, call);
    expect(written).toBe(n);
    // as if it had been written out whole
    const size = JSON.stringify(messages).length;
    written = n;
    expect(usage?.input).toBe(Math.ceil(size / 4));
  }
  expect(model.requests.map((r) => r.messages.length)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1));
  expect(model.requests[0]?.messages).toEqual(messages.slice(0, 1));
  // another list under the same name is measured again
  messages.length = 0;
  say('short');
  expect((await model.generate(request, call)).usage?.input).toBe(Math.ceil(JSON.stringify(messages).length / 4));
});
