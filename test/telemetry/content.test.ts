import { afterEach, expect, test } from 'vitest';
import type { ModelRequest } from '../../src/ports/model.ts';
import { messagesAttribute } from '../../src/telemetry/content.ts';
import { recording } from '../../src/telemetry/spans.ts';
import type { TelemetryOptions } from '../../src/telemetry/telemetry.ts';
import type { AgentTrace } from '../../src/telemetry/trace.ts';
import { exported, model, registerSpans, start, unregister } from './sdk.ts';

afterEach(unregister);

const SECRET = 'sk-live 4242';

/** A claim in which the secret is everywhere where an application can put text. */
function everything(options?: TelemetryOptions) {
  const sdk = registerSpans();
  const agent = recording(options).startAgent({ ...start, by: { id: `ana ${SECRET}`, tenant: SECRET, roles: [SECRET] } }) as AgentTrace;
  const request: ModelRequest = {
    instructions: `Be kind. ${SECRET}`,
    messages: [
      { role: 'user', content: [{ type: 'text', text: `hello ${SECRET}` }] },
      { role: 'assistant', content: [{ type: 'toolCall', id: 't1', name: 'mail', input: { to: SECRET } }] },
      { role: 'tool', content: [{ type: 'toolResult', id: 't1', output: [{ type: 'text', text: SECRET }] }] },
    ],
    tools: [{ name: 'mail', description: SECRET, input: { title: SECRET } }],
  };
  const failure = { code: `oops ${SECRET}`, message: `failed with ${SECRET}`, retryable: false, attempts: 1, outcome: 'failed' as const };
  const chat = agent.chat(1, model, request);
  chat.failedAttempt({ attempt: 1, code: `bad ${SECRET}`, message: SECRET, retryIn: 1 });
  chat.end({
    stop: 'tools',
    content: [
      { type: 'reasoning', text: SECRET },
      { type: 'text', text: `answer ${SECRET}`, vendor: { signature: SECRET } },
      { type: 'toolCall', id: 't1', name: 'mail', input: { to: SECRET } },
    ],
  });
  agent.chat(2, model, request).end({ error: failure });
  const tool = agent.tool(1, { call: '1.0', name: 'mail', input: { to: SECRET } });
  tool.failedAttempt({ attempt: 1, code: 'TIMEOUT', message: SECRET });
  tool.end({ output: { sent: SECRET } });
  agent.tool(1, { call: '1.1', name: 'mail2', input: SECRET }).end({ error: failure });
  agent.approvalRequested({ id: 'ap', kind: 'tool', tool: 'mail', ...{ reason: SECRET, question: SECRET } });
  agent.approvalDecided({ id: 'ap', decision: { type: 'reject', ...{ reason: SECRET } }, by: { id: SECRET } });
  agent.end({ status: 'failed', error: failure, ...{ output: SECRET, reason: SECRET } });
  return sdk;
}

test('by default no span holds a prompt, an argument, a result, an error text or a person', () => {
  for (const options of [undefined, {}, { content: false }]) {
    const sdk = everything(options);
    expect(sdk.spans()).toHaveLength(5);
    expect(exported(sdk.spans())).not.toContain(SECRET);
    expect(sdk.named('execute_tool mail2').attributes['error.type']).toBe('_OTHER');
    unregister();
  }
});

test('on opt-in they hold it, in the shape of the conventions', () => {
  const sdk = everything({ content: true });
  const [chat] = sdk.spans();
  const json = (name: string) => JSON.parse(String(chat?.attributes[name]));
  expect(json('gen_ai.system_instructions')).toEqual([{ type: 'text', content: `Be kind. ${SECRET}` }]);
  expect(json('gen_ai.input.messages')).toEqual([
    { role: 'user', parts: [{ type: 'text', content: `hello ${SECRET}` }] },
    { role: 'assistant', parts: [{ type: 'tool_call', id: 't1', name: 'mail', arguments: { to: SECRET } }] },
    { role: 'tool', parts: [{ type: 'tool_call_response', id: 't1', response: [{ type: 'text', content: SECRET }] }] },
  ]);
  expect(json('gen_ai.output.messages')).toEqual([
    {
      role: 'assistant',
      parts: [
        { type: 'reasoning', content: SECRET },
        { type: 'text', content: `answer ${SECRET}` },
        { type: 'tool_call', id: 't1', name: 'mail', arguments: { to: SECRET } },
      ],
    },
  ]);
  expect(sdk.named('execute_tool mail').attributes).toMatchObject({
    'gen_ai.tool.call.arguments': `{"to":"${SECRET}"}`,
    'gen_ai.tool.call.result': `{"sent":"${SECRET}"}`,
  });
  expect(sdk.named('execute_tool mail2')).toMatchObject({ status: { message: `failed with ${SECRET}` } });
  expect(sdk.named('invoke_agent support').attributes['user.id']).toBe(`ana ${SECRET}`);
  // what a provider signed is not content
  expect(exported(sdk.spans())).not.toContain('signature');
});

test('opted-in content is bounded: long texts are cut, old messages and the bytes of images left out', () => {
  const long = 'x'.repeat(100_000);
  const messages = Array.from({ length: 500 }, (_, i) => ({
    role: 'user' as const,
    content: [{ type: 'text' as const, text: `${i} ${long}` }],
  }));
  const text = messagesAttribute([...messages, { role: 'user', content: [{ type: 'image', mediaType: 'image/png', data: long }] }]);
  expect(text.length).toBeLessThan(33_000);
  const parsed = JSON.parse(text);
  expect(parsed.at(-1)).toEqual({ role: 'user', parts: [{ type: 'image', mime_type: 'image/png', size: 100_000 }] });
  expect(parsed.at(-2).parts[0].content).toMatch(/^499 x+ \[cut: 95908 more characters\]$/);
  expect(parsed[0].parts[0].content).toMatch(/^\[cut: 49\d messages\]$/);

  const [call] = JSON.parse(
    messagesAttribute([{ role: 'assistant', content: [{ type: 'toolCall', id: 't', name: 'a', input: { long } }] }]),
  )[0].parts;
  expect(call.arguments).toMatch(/^\{"long":"x+ \[cut: 95915 more characters\]$/);

  const sdk = registerSpans();
  const agent = recording({ content: true }).startAgent(start) as AgentTrace;
  agent.tool(1, { call: '1.0', name: 'big', input: { long } }).end({ output: { long } });
  agent.end({ status: 'completed' });
  const { attributes } = sdk.named('execute_tool big');
  expect(String(attributes['gen_ai.tool.call.arguments']).length).toBeLessThan(5_000);
  expect(String(attributes['gen_ai.tool.call.result']).length).toBeLessThan(5_000);
});

test('if content cannot be serialised, only the attribute is missing', () => {
  const sdk = registerSpans();
  const agent = recording({ content: true }).startAgent(start) as AgentTrace;
  const loop: Record<string, never> = {};
  (loop as Record<string, unknown>).self = loop;
  agent.tool(1, { call: '1.0', name: 'odd', input: loop }).end({ output: loop, attempts: 1 });
  agent.end({ status: 'completed' });
  expect(sdk.named('execute_tool odd').attributes).toMatchObject({ 'rondo.attempts': 1, 'rondo.outcome': 'done' });
});
