import { DynamicStructuredTool, DynamicTool, tool as langchain } from '@langchain/core/tools';
import { Command, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type LangchainToolOptions, langchainTool, type StructuredToolLike } from '../../src/adapters/langchain/index.ts';
import { agent, Engine, type Json, type Message, RondoError } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { ends } from '../kit/runs.ts';

// it says that a run paused in memory
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

/** An agent that calls the tools once, with these inputs, and then stops. */
function using(structured: StructuredToolLike, inputs: readonly Json[], o: LangchainToolOptions = {}) {
  const own = langchainTool(structured, o);
  const steps: Scripted[] = [{ toolCalls: inputs.map((input, i) => ({ id: `c${i}`, name: own.name, input })) }, 'done'];
  const model = scripted(steps);
  const engine = new Engine();
  engines.push(engine);
  return { engine, model, user: agent({ name: 'user', instructions: '', model, tools: [own] }) };
}

async function results(structured: StructuredToolLike, inputs: readonly Json[], o?: LangchainToolOptions) {
  const { engine, model, user } = using(structured, inputs, o);
  await ends(engine.run(user, 'go', { session: 's', by: { id: 'ana' } }), 'completed');
  const last = model.requests[1]?.messages.at(-1) as Message;
  return last.content.flatMap((part) => (part.type === 'toolResult' ? [{ isError: part.isError ?? false, output: part.output }] : []));
}
const text = (said: string) => ({ isError: false, output: [{ type: 'text', text: said }] });

describe('a LangChain tool as a Rondo tool', () => {
  test('made by tool(), with what it is told of its call', async () => {
    let config: { signal?: AbortSignal; configurable?: { rondo?: Record<string, unknown> }; toolCall?: object } = {};
    const add = langchain(
      ({ a, b }, given) => {
        config = given;
        return `${a + b}`;
      },
      { name: 'add', description: 'Adds', schema: z.object({ a: z.number(), b: z.number().default(40) }) },
    );
    // what has a default may be left out, and the tool's own schema fills it in
    expect(await results(add, [{ a: 2 }])).toEqual([text('42')]);
    expect(config.signal).toBeInstanceOf(AbortSignal);
    expect(config.configurable?.rondo).toMatchObject({
      runId: expect.any(String),
      callId: expect.any(String),
      idempotencyKey: expect.stringMatching(/./),
      session: 's',
      by: { id: 'ana' },
    });
  });

  test('the model is shown its name, description and schema, or those given instead', async () => {
    const search = langchain(() => 'x', { name: 'search', description: 'Searches', schema: z.object({ q: z.string().describe('words') }) });
    const { engine, model, user } = using(search, [{ q: 'a' }]);
    await ends(engine.run(user, 'go'), 'completed');
    expect(model.requests[0]?.tools).toMatchObject([
      {
        name: 'search',
        description: 'Searches',
        input: { type: 'object', properties: { q: { type: 'string', description: 'words' } }, required: ['q'] },
      },
    ]);
    expect(langchainTool(search, { name: 'find', description: 'Finds', effect: 'read' })).toMatchObject({
      name: 'find',
      description: 'Finds',
      effect: 'read',
    });
    expect(langchainTool(search).effect).toBe('once');
  });

  test('DynamicStructuredTool with a JSON Schema, and DynamicTool, which takes one string', async () => {
    const structured = new DynamicStructuredTool({
      name: 's',
      description: '',
      schema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
      func: async ({ n }: { n: number }) => ({ twice: n * 2 }),
    });
    expect(await results(structured, [{ n: 4 }])).toEqual([text('{"twice":8}')]);
    const plain = new DynamicTool({ name: 'p', description: '', func: async (said: string) => `heard ${said}` });
    expect(await results(plain, [{ input: 'hi' }])).toEqual([text('heard hi')]);
  });

  test('blocks: images with their bytes, a link where there are none', async () => {
    const shoot = langchain(
      () => [
        { type: 'text', text: 'a picture' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
        { type: 'image', mimeType: 'image/jpeg', data: 'aGk=' },
        { type: 'image_url', image_url: { url: 'https://x.example/a.png' } },
      ],
      { name: 'shoot', description: '', schema: z.object({}) },
    );
    const [shot] = await results(shoot, [{}]);
    expect(shot?.output).toEqual([
      { type: 'text', text: 'a picture' },
      { type: 'image', mediaType: 'image/png', data: 'aGk=' },
      { type: 'image', mediaType: 'image/jpeg', data: 'aGk=' },
      { type: 'text', text: 'https://x.example/a.png' },
    ]);
  });

  test('an output of its own that has a list named parts is shown as what it is', async () => {
    for (const output of [{ parts: [{ name: 'bolt', count: 3 }] }, { parts: [] }, { parts: [{ type: 'text', text: 'x' }], of: 'engine' }]) {
      const look = { name: 'look', description: '', schema: { type: 'object', properties: {} }, invoke: async () => output };
      expect(await results(look, [{}])).toEqual([text(JSON.stringify(output))]);
    }
  });

  test('an artifact is not for the model, nor kept', async () => {
    const chart = langchain(() => ['a chart', { rows: [1, 'secret'] }], {
      name: 'chart',
      description: '',
      schema: z.object({}),
      responseFormat: 'content_and_artifact',
    });
    const { engine, model, user } = using(chart, [{}]);
    const run = engine.run(user, 'go');
    const events: unknown[] = [];
    for await (const event of run) events.push(event);
    await ends(run, 'completed');
    expect(JSON.stringify(model.requests[1]?.messages)).toContain('a chart');
    expect(JSON.stringify([events, model.requests])).not.toContain('secret');
  });

  test('a message that it makes itself, and an error message', async () => {
    const { ToolMessage } = await import('@langchain/core/messages');
    const own = (status: 'success' | 'error', content: string) =>
      langchain((_, { toolCall }) => new ToolMessage({ content, status, tool_call_id: toolCall?.id ?? '' }), {
        name: 'own',
        description: '',
        schema: z.object({}),
      });
    expect(await results(own('success', 'fine'), [{}])).toEqual([text('fine')]);
    const [failed] = await results(own('error', 'the door is locked'), [{}]);
    expect(failed?.isError).toBe(true);
    expect(JSON.stringify(failed?.output)).toMatch(/LANGCHAIN_TOOL_FAILED.*the door is locked/);
  });
});

describe('the engine is around it', () => {
  test('an approval, an edit of its arguments, and one call', async () => {
    const paid: number[] = [];
    const pay = langchain(({ cents }) => `paid ${paid.push(cents)}`, {
      name: 'pay',
      description: '',
      schema: z.object({ cents: z.number() }),
    });
    const { engine, user } = using(pay, [{ cents: 5 }], { approval: { reason: 'money' } });
    const { runId, approvals } = await ends(engine.run(user, 'go'), 'paused');
    expect(approvals).toMatchObject([{ kind: 'tool', tool: 'pay', input: { cents: 5 }, reason: 'money' }]);
    expect(paid).toEqual([]);
    await engine.decide(runId, [{ approval: approvals[0]?.id as string, type: 'edit', input: { cents: 3 } }], { by: { id: 'ben' } });
    await ends(engine.resume(runId), 'completed');
    expect(paid).toEqual([3]);
  });

  test('a throw is an observation; a rate limit is tried again where that is safe, with the same key', async () => {
    const thrower = (error: () => Error) =>
      langchain(
        () => {
          throw error();
        },
        { name: 't', description: '', schema: z.object({}) },
      );
    const [failed] = await results(
      thrower(() => new Error('no such row')),
      [{}],
    );
    expect(failed?.isError).toBe(true);
    expect(JSON.stringify(failed?.output)).toMatch(/TOOL_FAILED.*no such row/);

    const keys: unknown[] = [];
    const busy = langchain(
      (_, { configurable }) => {
        keys.push(configurable?.rondo.idempotencyKey);
        if (keys.length < 3) throw Object.assign(new Error('slow down'), { status: 429 });
        return 'ok';
      },
      { name: 'busy', description: '', schema: z.object({}) },
    );
    expect(await results(busy, [{}], { effect: 'idempotent', retry: { initialDelay: 1 } })).toEqual([text('ok')]);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
  });

  test('arguments that only its own schema refuses', async () => {
    let ran = 0;
    const even = langchain(() => `${++ran}`, {
      name: 'even',
      description: '',
      schema: z.object({ n: z.number().refine((n) => n % 2 === 0) }),
    });
    const [odd, fine] = await results(even, [{ n: 1 }, { n: 2 }]);
    expect(odd?.isError).toBe(true);
    expect(JSON.stringify(odd?.output)).toMatch(/INVALID_ARGUMENTS.*not-run/);
    expect(fine).toEqual(text('1'));
    // and what JSON Schema can say is refused before it is called
    expect(JSON.stringify((await results(even, [{ n: 'x' }]))[0]?.output)).toContain('INVALID_ARGUMENTS');
    expect(ran).toBe(1);
  });

  test('a timeout aborts it and does not wait for it', async () => {
    let aborted = false;
    const slow = langchain(
      (_, { signal }) => {
        signal?.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise<string>(() => undefined);
      },
      { name: 'slow', description: '', schema: z.object({}) },
    );
    const [late] = await results(slow, [{}], { timeout: 20 });
    expect(JSON.stringify(late?.output)).toMatch(/TIMEOUT.*unknown/);
    expect(aborted).toBe(true);
  });

  test('a Command, which only a graph can follow', async () => {
    const go = langchain(() => new Command({ goto: 'x' }) as never, { name: 'go', description: '', schema: z.object({}) });
    expect(JSON.stringify((await results(go, [{}]))[0]?.output)).toMatch(/LANGCHAIN_TOOL_FAILED.*langgraphAgent/);
  });

  test('inside a node of a graph it is not part of that graph', async () => {
    let inherited: unknown = 'nothing seen';
    const spy = langchain(
      (_, { tags, metadata }) => {
        inherited = [tags, metadata?.user];
        return 'ok';
      },
      { name: 'spy', description: '', schema: z.object({}) },
    );
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('n', async () => {
        await results(spy, [{}]);
        return {};
      })
      .addEdge(START, 'n')
      .compile({ checkpointer: new MemorySaver() });
    await graph.invoke({ messages: [] }, { configurable: { thread_id: 'outer' }, tags: ['outer'], metadata: { user: 'ana' } });
    expect(inherited).toEqual([[], undefined]);
  });
});

test('an invalid tool, or one without a valid schema or name', () => {
  const refused = (structured: unknown, o?: LangchainToolOptions) => {
    try {
      langchainTool(structured as never, o);
    } catch (error) {
      return RondoError.is(error, 'CONFIG_INVALID') ? error.message : `not ours: ${error}`;
    }
    return 'taken';
  };
  expect(refused({ name: 'x' })).toContain('langchainTool() takes a tool');
  const dated = langchain(() => 'x', { name: 'dated', description: '', schema: z.object({ at: z.date() }) });
  expect(refused(dated)).toContain('dated');
  const spaced = langchain(() => 'x', { name: 'has spaces', description: '', schema: z.object({}) });
  expect(refused(spaced)).toContain('has spaces');
  expect(refused(spaced, { name: 'none' })).toBe('taken');
});
