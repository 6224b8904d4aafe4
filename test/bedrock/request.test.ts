import { describe, expect, test } from 'vitest';
import { type BedrockOptions, bedrock } from '../../src/adapters/bedrock/index.ts';
import { RondoError } from '../../src/errors.ts';
import type { ToolChoice, ToolSpec } from '../../src/ports/model.ts';
import { fails, says } from '../wire/bedrock.ts';
import { ask, assistant, ID, MODES, request, results, user, wire } from './setup.ts';

const w = wire();
const search: ToolSpec = { name: 'search', description: 'Search', input: { type: 'object', properties: { q: { type: 'string' } } } };
const call = { type: 'toolCall', id: 't1', name: 'search', input: { q: 'x' } } as const;
const result = { type: 'toolResult', id: 't1', output: [{ type: 'text', text: 'found' }] } as const;

describe.each(MODES)('%s', (mode) => {
  const sent = async (o: BedrockOptions, r: Parameters<typeof request>[0] = {}) => {
    w.server.next(says('ok'));
    await ask(bedrock(ID, { endpoint: w.server.url, ...o }), request(r), mode);
    expect(w.server.calls).toHaveLength(1);
    return w.server.calls.splice(0)[0]?.input;
  };

  test('the least a request holds', async () => {
    w.server.next(says('ok'));
    await ask(bedrock(ID, { endpoint: w.server.url }), request(), mode);
    const [one] = w.server.calls;
    expect(one?.operation).toBe(mode === 'stream' ? 'ConverseStream' : 'Converse');
    expect(one?.protocol).toBe('http/2');
    expect(one?.input).toEqual({
      modelId: ID,
      messages: [{ role: 'user', content: [{ text: 'hi' }] }],
      inferenceConfig: { maxTokens: 4096 },
    });
  });

  test('an ARN is one segment of the path', async () => {
    const arn = 'arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123';
    w.server.next(says('ok'));
    await ask(bedrock(arn, { endpoint: w.server.url }), request(), mode);
    expect(w.server.calls[0]?.input.modelId).toBe(arn);
  });

  test('inference options', async () => {
    const input = await sent({ temperature: 0, topP: 0.5, maxTokens: 100, stopSequences: ['END'] });
    expect(input.inferenceConfig).toEqual({ maxTokens: 100, temperature: 0, topP: 0.5, stopSequences: ['END'] });
  });

  test('latency, service tier and fields of the model', async () => {
    const input = await sent({ latency: 'optimized', serviceTier: 'flex', additionalFields: { top_k: 5 } });
    expect(input.performanceConfig).toEqual({ latency: 'optimized' });
    expect(input.serviceTier).toEqual({ type: 'flex' });
    expect(input.additionalModelRequestFields).toEqual({ top_k: 5 });
  });

  test('the choice of a tool', async () => {
    const choice = async (toolChoice: ToolChoice, o: BedrockOptions = {}) => {
      const input = await sent(o, { tools: [search], toolChoice });
      return [input.toolConfig?.toolChoice, input.additionalModelRequestFields?.thinking];
    };
    expect(await choice('auto')).toEqual([undefined, undefined]);
    expect(await choice('required')).toEqual([{ any: {} }, undefined]);
    // Claude refuses both together
    expect(await choice({ tool: 'search' }, { reasoning: { budgetTokens: 2_000 }, maxTokens: 8_000 })).toEqual([
      { tool: { name: 'search' } },
      undefined,
    ]);
    expect((await choice('auto', { reasoning: { budgetTokens: 2_000 }, maxTokens: 8_000 }))[1]).toBeDefined();
    expect((await sent({}, { tools: [search], toolChoice: 'none' })).toolConfig).toBeUndefined();
  });

  test('a model that takes no choice of a tool is asked again without it, and not told again', async () => {
    const model = bedrock('acme.model-v1:0', { endpoint: w.server.url });
    w.server.next(fails('ValidationException', "This model doesn't support the toolConfig.toolChoice.any field. Remove it."));
    for (let i = 0; i < 2; i++) {
      w.server.next(says('ok'));
      await ask(model, request({ tools: [search], toolChoice: 'required' }), mode);
    }
    expect(w.server.calls.splice(0).map(({ input }) => input.toolConfig?.toolChoice)).toEqual([{ any: {} }, undefined, undefined]);
  });

  test('the system prompt and the tools', async () => {
    const input = await sent(
      { cache: false },
      { instructions: 'Be brief.', tools: [search, { name: 'bare', description: ' ', input: {} }] },
    );
    expect(input.system).toEqual([{ text: 'Be brief.' }]);
    expect(input.toolConfig).toEqual({
      tools: [
        { toolSpec: { name: 'search', description: 'Search', inputSchema: { json: search.input } } },
        { toolSpec: { name: 'bare', inputSchema: { json: { type: 'object', properties: {} } } } },
      ],
    });
  });

  test('a blank system prompt is left out', async () => {
    expect(await sent({}, { instructions: ' \n ' })).not.toHaveProperty('system');
  });

  test('tools that were called are declared though none is on offer now', async () => {
    const input = await sent({}, { messages: [user('a'), assistant(call), results(result)] });
    expect(input.toolConfig.tools.map((t: { toolSpec: { name: string } }) => t.toolSpec.name)).toEqual(['search']);
  });

  test('a guardrail; its stream mode only where there is a stream', async () => {
    const input = await sent({ guardrail: { id: 'gr-1', version: 'DRAFT', trace: 'enabled', streamMode: 'async' } });
    expect(input.guardrailConfig).toEqual({
      guardrailIdentifier: 'gr-1',
      guardrailVersion: 'DRAFT',
      trace: 'enabled',
      ...(mode === 'stream' && { streamProcessingMode: 'async' }),
    });
    expect((await sent({ guardrail: { id: 'gr-1', version: '1' } })).guardrailConfig).toEqual({
      guardrailIdentifier: 'gr-1',
      guardrailVersion: '1',
    });
  });

  test('reasoning by budget, and by effort', async () => {
    expect(await sent({ reasoning: { budgetTokens: 2000 } })).toMatchObject({
      additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 2000 } },
    });
    const effort = await sent({ reasoning: { effort: 'high' } });
    expect(effort).toMatchObject({ outputConfig: { effort: 'high' }, additionalModelRequestFields: { thinking: { type: 'adaptive' } } });
    const own = await sent({ reasoning: { effort: 'low' }, additionalFields: { thinking: { type: 'disabled' } } });
    expect(own.additionalModelRequestFields).toEqual({ thinking: { type: 'disabled' } });
    w.server.next(says('ok'));
    await ask(bedrock('openai.gpt-oss-120b-1:0', { endpoint: w.server.url, reasoning: { effort: 'low' } }), request(), mode);
    expect(w.server.calls.at(-1)?.input).toMatchObject({ outputConfig: { effort: 'low' } });
    expect(w.server.calls.at(-1)?.input).not.toHaveProperty('additionalModelRequestFields');
  });

  describe('cache points', () => {
    const full = { instructions: 'Be brief.', tools: [search], messages: [user('a'), assistant(call), results(result)] };
    const points = async (cache: BedrockOptions['cache'], r: Parameters<typeof request>[0] = full) => {
      const { system, toolConfig, messages } = await sent({ ...(cache !== undefined && { cache }) }, r);
      return [system?.at(-1), toolConfig?.tools.at(-1), messages.at(-1).content.at(-1)].map((b) => b?.cachePoint);
    };
    const point = { type: 'default' };

    test('for Claude with tools, whose next step reads the request again, and elsewhere only if asked for', async () => {
      expect(await points(undefined)).toEqual([point, point, point]);
      expect(await points(false)).toEqual([undefined, undefined, undefined]);
      expect(await points(undefined, { ...full, tools: [] })).toEqual([undefined, undefined, undefined]);
      for (const id of ['us.amazon.nova-pro-v1:0', 'acme.model-v1:0', 'mistral.mistral-large-2407-v1:0']) {
        w.server.next(says('ok'));
        await ask(bedrock(id, { endpoint: w.server.url }), request(full), mode);
        expect(JSON.stringify(w.server.calls.at(-1)?.input)).not.toContain('cachePoint');
      }
    });
    const places = (messages: { content: object[] }[]) =>
      messages.flatMap((m, i) => m.content.flatMap((b, at) => ('cachePoint' in b ? [[i, at] as const] : [])));
    test('after the last user message, and where the request before ended', async () => {
      const { messages } = await sent({ cache: true }, full);
      expect(places(messages)).toEqual([
        [0, 1],
        [2, 1],
      ]);
      const more = [user('a'), assistant(call), results(result), assistant('done'), user('next'), user('and this')];
      const later = await sent({ cache: true }, { ...full, messages: more });
      // messages of one role are one
      expect(places(later.messages)).toEqual([
        [2, 1],
        [4, 2],
      ]);
    });
    test('at most four, the asked ones and the newest of the others', async () => {
      const mark = (text: string) => ({ type: 'text', text, vendor: { bedrock: { cachePoint: true } } }) as const;
      const { messages, system, toolConfig } = await sent(
        { cache: { messages: false } },
        { ...full, messages: [user(mark('a'), mark('b'), mark('c')), assistant(call), results(result)] },
      );
      expect([system.length, toolConfig.tools.length]).toEqual([2, 2]);
      expect(places(messages)).toEqual([
        [0, 2],
        [0, 4],
      ]);
    });
    test('a model that takes none after results keeps the one after the last message without', async () => {
      const nova = bedrock('us.amazon.nova-pro-v1:0', { endpoint: w.server.url, cache: true });
      w.server.next(says('ok'));
      await ask(nova, request(full), mode);
      expect(places(w.server.calls.at(-1)?.input.messages)).toEqual([[0, 1]]);
    });
    test('each of them apart, with a time to live', async () => {
      expect(await points({ tools: false, ttl: '1h' })).toEqual([{ ...point, ttl: '1h' }, undefined, { ...point, ttl: '1h' }]);
      expect(await points({ system: false, messages: false })).toEqual([undefined, point, undefined]);
    });
    test('not where there is nothing to cache', async () => {
      expect(await points(true, { messages: [user('a')] })).toEqual([undefined, undefined, point]);
    });
    test('after a part that asks for one', async () => {
      const marked = { type: 'text', text: 'a long text', vendor: { bedrock: { cachePoint: { ttl: '1h' } } } } as const;
      const input = await sent({}, { messages: [user(marked, 'and a question')] });
      expect(input.messages[0].content).toEqual([
        { text: 'a long text' },
        { cachePoint: { type: 'default', ttl: '1h' } },
        { text: 'and a question' },
      ]);
    });
  });
});

describe('a declaration', () => {
  test('names the model and what it may put out', () => {
    expect(bedrock(ID)).toMatchObject({ provider: 'bedrock', id: ID, maxOutput: 4096 });
    expect(bedrock(ID, { maxTokens: 10 }).maxOutput).toBe(10);
  });

  const wrong: [string, string, BedrockOptions, RegExp][] = [
    ['an empty id', '', {}, /not a Bedrock model id/],
    ['an id with a space', 'anthropic claude', {}, /inference profile id or an ARN/],
    ['an id with a line break', 'anthropic.claude\n', {}, /not a Bedrock model id/],
    ['no id at all', undefined as unknown as string, {}, /not a Bedrock model id/],
    ['maxTokens', ID, { maxTokens: 0 }, /maxTokens is 0/],
    ['maxTokens, a fraction', ID, { maxTokens: 1.5 }, /whole number/],
    ['temperature', ID, { temperature: 1.1 }, /from 0 to 1/],
    ['topP', ID, { topP: Number.NaN }, /topP is NaN/],
    ['a small budget', ID, { reasoning: { budgetTokens: 10 } }, /at least 1024/],
    ['a budget that leaves no answer', ID, { reasoning: { budgetTokens: 4096 } }, /Raise maxTokens/],
    ['a guardrail without a version', ID, { guardrail: { id: 'g', version: '' } }, /a version/],
    ['a region', ID, { region: 'us east' }, /us-east-1/],
    ['an endpoint', ID, { endpoint: 'localhost' }, /https:/],
    ['a client and a region', ID, { client: {} as never, region: 'us-east-1' }, /belong to the client/],
  ];
  test.each(wrong)('refuses %s', (_, id, o, message) => {
    const declare = () => bedrock(id, o);
    expect(declare).toThrow(message);
    expect(declare).toThrow(expect.toSatisfy((e) => RondoError.is(e, 'CONFIG_INVALID')));
  });
});
