/** RONDO_MODEL of the examples: a prefix for each provider, and what is told when it cannot be used. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Message, Part } from 'rondo';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { modelName, openModel } from '../../examples/kit/model.ts';
import { UsageError } from '../../examples/kit/usage.ts';
import { decide } from '../../examples/ticket-triage/standin.ts';
import { copied, mails, run, temp } from './process.ts';

interface Said {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}
interface Asked {
  model: string;
  messages: Said[];
}

/** A server with the wire format of OpenAI's chat completions, which stands for a model that moves as the stand-in's rules do. */
async function chatServer() {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const call = JSON.parse(body) as Asked;
    asked.push(call);
    const { parts } = decide({ instructions: '', messages: call.messages.flatMap(message), tools: [] });
    const text = parts.flatMap((p) => (p.type === 'text' ? [p.text] : [])).join('');
    const tool_calls = parts.flatMap((p, index) =>
      p.type === 'toolCall' ? [{ index, id: p.id, type: 'function', function: { name: p.name, arguments: JSON.stringify(p.input) } }] : [],
    );
    const delta = { role: 'assistant', ...(text && { content: text }), ...(tool_calls.length && { tool_calls }) };
    const chunks = [
      { choices: [{ index: 0, delta }] },
      { choices: [{ index: 0, delta: {}, finish_reason: tool_calls.length ? 'tool_calls' : 'stop' }] },
      { choices: [], usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } },
    ];
    response.writeHead(request.url === '/v1/chat/completions' ? 200 : 404, { 'content-type': 'text/event-stream' });
    for (const chunk of chunks) response.write(`data: ${JSON.stringify({ id: 'c', created: 1, model: call.model, ...chunk })}\n\n`);
    response.end('data: [DONE]\n\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { asked, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` };
}

function message(said: Said): Message[] {
  const text: Part[] = said.content ? [{ type: 'text', text: said.content }] : [];
  if (said.role === 'system') return [];
  if (said.role === 'tool') {
    return [
      { role: 'tool', content: [{ type: 'toolResult', id: said.tool_call_id ?? '', output: text as { type: 'text'; text: string }[] }] },
    ];
  }
  const calls = (said.tool_calls ?? []).map(
    (c): Part => ({ type: 'toolCall', id: c.id, name: c.function.name, input: JSON.parse(c.function.arguments) }),
  );
  return [{ role: said.role, content: [...text, ...calls] }];
}

describe('ollama:', () => {
  it('does the whole job on an OpenAI-compatible server at OLLAMA_BASE_URL, in two processes', async () => {
    const { asked, url } = await chatServer();
    const dir = temp();
    const env = { RONDO_MODEL: 'ollama:llama3.2:3b', OLLAMA_BASE_URL: url };
    const first = await run(dir, ['--faults', 'none'], { env });
    expect({ code: first.code, err: first.err }).toEqual({ code: 0, err: '' });
    expect(first.out).toContain('MODEL ollama/llama3.2:3b\n');
    expect(first.out).not.toContain('STAND-IN');
    const second = await run(dir, copied(first.out), { env });
    expect(second.out).toMatch(/COMPLETED {2}4 steps, 5 tools ran, 1 approval\n/);
    expect(second.out).toContain('cost  unknown: no price is known for this model (44 tokens in, 28 out)\n');
    expect(second.out).toMatch(/THINK llama3\.2:3b +11 in +7 out/);
    expect(mails(dir)).toHaveLength(1);
    expect(asked).toHaveLength(4);
    expect(asked[0]).toMatchObject({ model: 'llama3.2:3b', messages: [{ role: 'system' }, { role: 'user' }] });
  });
});

describe('a provider of the AI SDK', () => {
  const spoken = (provider: string) => (modelId: string) => ({ specificationVersion: 'v4', provider, modelId, supportedUrls: {} });

  it.each([
    ['openai:gpt-5-mini', '@ai-sdk/openai', { openai: spoken('openai.responses') }, { provider: 'openai', id: 'gpt-5-mini' }],
    ['anthropic:claude-x', '@ai-sdk/anthropic', { anthropic: spoken('anthropic.messages') }, { provider: 'anthropic', id: 'claude-x' }],
    ['google:gemini-x', '@ai-sdk/google', { google: spoken('google.generative-ai') }, { provider: 'google', id: 'gemini-x' }],
  ])('%s loads %s and nothing else', async (name, needs, module, expected) => {
    const load = vi.fn(async () => module);
    expect(await openModel(modelName(name) as never, load)).toMatchObject(expected);
    expect(load.mock.calls).toEqual([[needs]]);
  });

  const missing = (what: string) =>
    Object.assign(new Error(`Cannot find package '${what}' imported from /app/x.ts`), { code: 'ERR_MODULE_NOT_FOUND' });

  it.each([
    ['openai:gpt-5-mini', '@ai-sdk/openai'],
    ['anthropic:claude-x', '@ai-sdk/anthropic'],
    ['google:gemini-x', '@ai-sdk/google'],
    ['ollama:qwen3', '@ai-sdk/openai-compatible'],
    ['bedrock:us.amazon.nova-pro-v1:0', '@aws-sdk/client-bedrock-runtime'],
  ])('%s says which npm install to run where its package is missing', async (name, needs) => {
    const opened = openModel(modelName(name) as never, async () => {
      throw missing(needs);
    });
    await expect(opened).rejects.toThrow(
      new UsageError(`RONDO_MODEL is "${name}", which needs ${needs}. Install it first: npm install ${needs}`),
    );
    await expect(opened).rejects.toBeInstanceOf(UsageError);
  });

  it('tells a broken installation by its own error', async () => {
    const broken = missing('json-schema');
    await expect(openModel({ prefix: 'openai', id: 'x' }, () => Promise.reject(broken))).rejects.toBe(broken);
  });
});

describe('the name', () => {
  it('is split at its first colon, so that an id may hold more', () => {
    expect(modelName('bedrock:us.amazon.nova-pro-v1:0')).toEqual({ prefix: 'bedrock', id: 'us.amazon.nova-pro-v1:0' });
    expect([modelName(undefined), modelName('')]).toEqual([undefined, undefined]);
  });

  it.each(['foo', 'foo:bar', 'OpenAI:gpt-5', 'constructor:x', ':gpt-5', 'gpt-5-mini'])(
    '"%s" is refused with the prefixes there are',
    (name) => {
      expect(() => modelName(name)).toThrow(
        new UsageError(
          `RONDO_MODEL is "${name}". Begin it with one of openai:, anthropic:, google:, ollama:, bedrock:, as in openai:gpt-5-mini, or leave it out for the offline stand-in.`,
        ),
      );
    },
  );

  it.each(['ollama', 'ollama:', 'ollama: '])('"%s" is refused: the id is missing', (name) => {
    expect(() => modelName(name)).toThrow(
      new UsageError(`RONDO_MODEL is "${name}": the model id is missing. Write it after the colon, as in ollama:qwen3.`),
    );
  });
});
