import { RunnableLambda } from '@langchain/core/runnables';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { MockLanguageModelV4 } from 'ai/test';
import { describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { facts, sqliteMemory } from '../../src/adapters/memory/index.ts';
import {
  agent,
  Engine,
  fallback,
  foreignAgent,
  graph,
  jsonSchema,
  type Model,
  memoryJournal,
  RondoError,
  type Schema,
  supervisor,
  ToolError,
  tool,
} from '../../src/index.ts';
import { nearest } from '../../src/options.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, leftBehind, recording } from '../kit/journals.ts';
import { anything, asks, ends, nothing, refused } from '../kit/runs.ts';

const model = scripted(['done']);
const ok = { name: 'a', instructions: '', model };
const chat = new FakeListChatModel({ responses: [''] });
const t = (name: string) => tool({ name, description: '', input: nothing, execute: () => 1 });
const options = { description: '', input: nothing, execute: () => 1 };
const bad = (value: unknown) => value as never;

describe('a tool that makes no sense is refused where it is declared, and the message names it', () => {
  const mute: Schema = bad({ '~standard': { version: 1, vendor: 'quiet', validate: (value: unknown) => ({ value }) } });
  test.each<[string, () => unknown, string]>([
    ['a bad name', () => t('no spaces'), 'no spaces'],
    ['a name too long', () => t('x'.repeat(65)), '64'],
    ['no name', () => tool(bad({ ...options })), 'name'],
    ['no description', () => tool(bad({ name: 'x', input: nothing, execute: () => 1 })), '"x"'],
    ['no execute', () => tool(bad({ name: 'x', description: '', input: nothing })), '"x"'],
    ['no schema', () => tool(bad({ name: 'x', description: '', execute: () => 1 })), '"x"'],
    ['fields in place of a schema', () => tool(bad({ name: 'x', ...options, input: { n: z.number() } })), 'Wrap the fields: z.object'],
    [
      'a JSON Schema with a wrong keyword',
      () => tool({ name: 'x', ...options, input: { type: 'objekt' } }),
      'input of tool "x": #/type must',
    ],
    ['a JSON Schema that is not JSON', () => tool(bad({ name: 'x', ...options, input: { type: 'object', at: new Map() } })), 'a Map'],
    ['a JSON Schema of no object', () => tool({ name: 'x', ...options, input: { type: 'string' } }), 'must be an object schema'],
    ['a context that is not a schema', () => tool(bad({ name: 'x', ...options, context: { tenant: 'text' } })), 'context of tool "x"'],
    ['a schema that cannot describe itself', () => tool({ name: 'x', ...options, input: mute }), 'quiet'],
    ['a schema that is not an object', () => tool({ name: 'x', ...options, input: z.string() }), 'z.object'],
    [
      'a schema that JSON Schema cannot say',
      () => tool({ name: 'x', ...options, input: z.object({ d: z.map(z.string(), z.string()) }) }),
      '"x"',
    ],
    ['a schema with a date', () => tool({ name: 'x', ...options, input: z.object({ d: z.date() }) }), 'as a text: z.iso.datetime()'],
    ['an effect that there is not', () => tool({ name: 'x', ...options, effect: bad('twice') }), 'twice'],
    ['a timeout of 0', () => tool({ name: 'x', ...options, timeout: 0 }), 'timeout'],
    ['a negative bound', () => tool({ name: 'x', ...options, maxBytes: -1 }), 'maxBytes'],
  ])('%s', async (_, declare, word) => {
    expect((await refused('CONFIG_INVALID', declare)).message).toContain(word);
  });
});

describe('an agent that makes no sense is refused where it is declared', () => {
  test.each<[string, () => unknown, string]>([
    ['no name', () => agent({ ...ok, name: '' }), 'name'],
    ['no model', () => agent(bad({ name: 'a', instructions: '' })), 'bedrock'],
    ['a model by its name', () => agent({ ...ok, model: bad('gpt') }), 'the model of agent "a" is the text "gpt". Pass bedrock('],
    [
      'a model of the AI SDK',
      () => agent({ ...ok, model: bad(new MockLanguageModelV4()) }),
      'is one of the AI SDK. Wrap it: aiSdkModel(model)',
    ],
    ['a model of LangChain', () => agent({ ...ok, model: bad(chat) }), 'is one of LangChain. Wrap it: langchainModel(model)'],
    ['a chat model with tools', () => agent({ ...ok, model: bad(RunnableLambda.from(() => '')) }), 'langchainModel(model)'],
    ['a model of something else', () => agent({ ...ok, model: bad({ getResponse: () => 1 }) }), 'has no function generate'],
    ['a fallback of such models', () => fallback([model, bad(chat)]), 'is one of LangChain'],
    ['a memory with such a model', () => facts({ model: bad(chat) }), 'is one of LangChain'],
    [
      'a memory whose extraction has one',
      () => sqliteMemory(':memory:', { strategies: [facts()], model: bad(chat) }),
      'is one of LangChain',
    ],
    ['no instructions', () => agent(bad({ name: 'a', model })), 'instructions'],
    ['two tools of one name', () => agent({ ...ok, tools: [t('same'), t('same')] }), 'same'],
    ['a tool that is none', () => agent({ ...ok, tools: [bad({ name: 'x' })] }), 'tool()'],
    ['a cap of 0', () => agent({ ...ok, parallel: 0 }), 'parallel'],
    ['an output that is not a schema', () => agent({ ...ok, output: bad({ total: 'number' }) }), 'output of agent "a"'],
  ])('%s', async (_, declare, word) => {
    expect((await refused('CONFIG_INVALID', declare)).message).toContain(word);
  });
});

describe('an engine or a run that makes no sense is refused at once', () => {
  const engine = new Engine();
  const a = agent(ok);
  test.each<[string, () => unknown, string]>([
    ['two agents of one name', () => new Engine({ agents: [agent(ok), agent({ ...ok, instructions: 'other' })] }), '"a"'],
    ['an agent that is none', () => new Engine({ agents: [bad({ name: 'a' })] }), 'agent('],
    ['a price without a rate', () => new Engine({ prices: { 'x/y': bad({ input: 1 }) } }), 'x/y'],
    ['a bad retry', () => new Engine({ agents: [a], reliability: { tools: { retry: { attempts: 0 } } } }), 'attempts'],
    ['a run of what is not an agent', () => engine.run(bad({ name: 'a' }), 'go'), 'agent('],
    ['an input that is a number', () => engine.run(a, bad(7)), 'text'],
    ['no input', () => engine.run(a, bad(undefined)), 'text'],
    ['limits that are a number', () => new Engine({ limits: bad(5) }), 'limits is an object, not 5'],
    ['limits of an agent that are a list', () => agent({ ...ok, limits: bad([5]) }), 'limits is an object, not a list'],
    ['limits of a run that are a text', () => engine.run(a, 'go', { limits: bad('5') }), 'limits: { steps: 20 }'],
    ['limits of a resume that are null', () => engine.resume('r', { limits: bad(null) }), 'limits is an object, not null'],
    ['a policy without a method', () => new Engine({ policy: {} }), 'decide or access or content'],
    ['a policy with a misspelt method', () => new Engine({ policy: bad({ decied: () => 1, content: () => 1 }) }), 'Did you mean "decide"?'],
    [
      'a policy whose method has another name',
      () => new Engine({ policy: bad({ authorize: () => 1, access: () => 1 }) }),
      'it has "authorize"',
    ],
    [
      'a policy of a class whose method has another name',
      () =>
        new Engine({
          policy: bad(
            new (class {
              access() {}
              mayCall() {}
            })(),
          ),
        }),
      'it has "mayCall"',
    ],
    [
      'a policy whose decide is undefined',
      () => new Engine({ policy: bad({ decide: undefined, access: () => 1 }) }),
      'decide is undefined',
    ],
    ['a policy that was not awaited', () => new Engine({ policy: bad(Promise.resolve({})) }), 'not a promise. Await it first'],
    ['a policy that only hides tools', () => new Engine({ policy: { offers: () => [] } }), 'it has "offers"'],
    ['an id that is empty', () => engine.run(a, 'go', { id: '' }), 'id'],
    ['an id too long', () => engine.run(a, 'go', { id: 'x'.repeat(501) }), 'id'],
    ['a session that is not a text', () => engine.run(a, 'go', { session: bad(7) }), 'session'],
    ['somebody without an id', () => engine.run(a, 'go', { by: bad({ name: 'ana' }) }), 'by'],
    ['a context that JSON cannot hold', () => engine.run(a, 'go', { context: bad({ n: 1n }) }), 'context'],
  ])('%s', async (_, attempt, word) => {
    expect((await refused('CONFIG_INVALID', attempt)).message).toContain(word);
  });

  test('a run of another agent with the name of one that the engine was given', async () => {
    const own = scripted(['done']);
    const registered = agent({ ...ok, model: own });
    const given = new Engine({ agents: [registered] });
    // one that looks the same may close over another tenant
    for (const instructions of ['do something else', ok.instructions]) {
      const error = await refused('CONFIG_INVALID', () => given.run(agent({ ...ok, model: own, instructions }), 'go'));
      expect(error.message).toContain('{ context }');
    }
    await ends(given.run(registered, 'go'), 'completed');
  });

  test('fallback() of nothing', async () => {
    await refused('CONFIG_INVALID', () => fallback(bad([])));
    await refused('CONFIG_INVALID', () => fallback([bad('sonnet')]));
  });

  test('jsonSchema() of a value that is not an object', async () => {
    for (const schema of [null, 'object', ['object'], true]) await refused('CONFIG_INVALID', () => jsonSchema(bad(schema)));
  });
});

describe('the error about a misspelt or missing option has a suggestion and an example:', () => {
  const engine = new Engine();
  const a = agent(ok);
  const state = z.object({ n: z.number() });
  const g = { name: 'g', state, nodes: { n: () => ({}) }, edges: { start: 'n', n: 'end' } };
  const turn = async () => ({ status: 'completed' as const, output: '' });
  test.each<[string, () => unknown, ...string[]]>([
    ['agent()', () => agent(bad({ ...ok, tool: [] })), 'agent "a" has no option "tool"', 'Did you mean "tools"?', 'tools: [refund]'],
    ['agent() without a name', () => agent(bad({ instructions: '', model })), "agent({ name: 'support'"],
    ['agent() without options', () => agent(bad(undefined)), "agent() takes its options as an object: { name: 'support' }"],
    ['agent() without instructions', () => agent(bad({ name: 'a', model })), "instructions: 'Answer the customer.'"],
    [
      'an infinite limit',
      () => agent(bad({ ...ok, limits: { steps: Number.POSITIVE_INFINITY } })),
      'the limit steps is Infinity',
      'MAX_SAFE_INTEGER',
    ],
    ['a limit', () => agent(bad({ ...ok, limits: { step: 1 } })), 'no limit "step"', 'Did you mean "steps"?'],
    ['tool()', () => tool(bad({ name: 'x', ...options, aproval: true })), 'tool "x"', 'Did you mean "approval"?', 'approval: true'],
    ['tool() without a name', () => tool(bad(options)), "name: 'refund'"],
    ['tool() without execute', () => tool(bad({ name: 'x', ...options, execute: undefined })), 'execute: ({ orderId })'],
    ['an option like none', () => tool(bad({ name: 'x', ...options, zzz: 1 })), 'There are name, description, input'],
    ['graph()', () => graph(bad({ ...g, edge: {} })), 'graph "g"', 'Did you mean "edges"?', "edges: { start: 'plan'"],
    ['a node', () => graph(bad({ ...g, nodes: { n: { agent: a, inputs: () => '', output: () => ({}) } } })), 'Did you mean "input"?'],
    [
      'a question of a graph',
      () => graph(bad({ ...g, nodes: { n: { ask: () => '?', answer: z.boolean(), role: ['lead'], output: () => ({}) } } })),
      'node "n" has no option "role"',
      "roles: ['lead']",
    ],
    ['foreignAgent()', () => foreignAgent(bad({ name: 'f', turn, efect: 'read' })), 'Did you mean "effect"?', "effect: 'idempotent'"],
    ['foreignAgent() without a turn', () => foreignAgent(bad({ name: 'f' })), 'turn: async (turn) =>'],
    [
      'new Engine()',
      () => new Engine(bad({ jurnal: 1 })),
      'new Engine() has no option "jurnal"',
      'Did you mean "journal"?',
      'sqliteJournal',
    ],
    ['engine.run()', () => engine.run(a, 'go', bad({ sesion: 's' })), 'the run of agent "a"', 'Did you mean "session"?'],
    ['engine.run() with options that are none', () => engine.run(a, 'go', bad('s')), 'takes its options as an object'],
    ['engine.resume()', () => engine.resume('r', bad({ limit: {} })), 'the resume of run r', 'Did you mean "limits"?', 'steps: 40'],
  ])('%s', async (_, attempt, ...says) => {
    const { message } = await refused('CONFIG_INVALID', attempt);
    for (const part of says) expect(message).toContain(part);
  });

  test('an option whose value is undefined is left out', () => {
    expect(() => agent({ ...ok, ...({ tool: undefined } as object) })).not.toThrow();
  });
});

test.each(['my agent', 'a.b', 'ä', 'x'.repeat(65)])('an agent cannot be named "%s", wherever it is declared', async (name) => {
  const declared = [
    () => agent({ ...ok, name }),
    () => graph({ name, state: z.object({}), nodes: { n: () => {} }, edges: { start: 'n', n: 'end' } }),
    () => foreignAgent({ name, turn: async () => ({ status: 'completed', output: '' }) }),
    () => supervisor({ ...ok, name, agents: [agent(ok)] }),
  ];
  for (const declare of declared)
    expect((await refused('CONFIG_INVALID', declare)).message).toContain('1 to 64 letters, digits, "_" and "-"');
});

test('an old name works, and warns once per process with the new name', async () => {
  const warnings: string[] = [];
  const listener = (warning: Error) => warning.name === 'DeprecationWarning' && warnings.push(`${warning.name}: ${warning.message}`);
  // those of earlier tests are emitted first
  await new Promise((resolve) => setImmediate(resolve));
  process.on('warning', listener);
  vi.resetModules();
  const fresh = await import('../../src/index.ts');
  for (const name of ['one', 'two']) fresh.supervisor({ ...ok, name, agents: [fresh.agent(ok)] });
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', listener);
  expect(warnings).toEqual([expect.stringContaining('DeprecationWarning: supervisor({ agents }) is called agent({ agents }) now')]);
});

test('the suggested name is the nearest one, if any is near', () => {
  expect(nearest('tool', ['tools', 'model', 'name'])).toBe('tools');
  expect(nearest('colour', ['tools', 'model', 'name'])).toBeUndefined();
});

describe('input and context', () => {
  test("are copied from the caller's objects", async () => {
    const engine = new Engine();
    const seen: unknown[] = [];
    const look = tool({
      name: 'look',
      description: '',
      input: nothing,
      context: z.object({ plan: z.string() }),
      execute: (_, { context }) => void seen.push(context.plan),
    });
    const script = scripted([asks(['look', {}]), 'done']);
    const context = { plan: 'pro' };
    const tags = { team: 'x' };
    const part = { type: 'text' as const, text: 'hello' };
    const run = engine.run(agent({ ...ok, model: script, tools: [look] }), [part], { context, tags });
    context.plan = 'free';
    tags.team = 'y';
    part.text = 'changed';
    await ends(run, 'completed');
    expect(seen).toEqual(['pro']);
    expect(script.requests[0]?.messages[0]?.content).toEqual([{ type: 'text', text: 'hello' }]);
  });

  test('parts of any kind reach the model as they are', async () => {
    const script = scripted(['a cat']);
    const image = { type: 'image' as const, mediaType: 'image/png', data: 'aGk=' };
    await ends(new Engine().run(agent({ ...ok, model: script }), [{ type: 'text', text: 'What is this?' }, image]), 'completed');
    expect(script.requests[0]?.messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, image] }]);
  });

  test('tags and principal are in the journal; a field of the principal that is not a part of it is not', async () => {
    const journal = memoryJournal();
    const by = { id: 'ana', tenant: 't', roles: ['user'], password: 'hunter2' };
    const run = new Engine({ journal }).run(agent({ ...ok, model: scripted(['done']) }), 'go', { by, tags: { team: 'x' } });
    await ends(run, 'completed');
    const log = await entriesOf(journal, run.id);
    expect(log[0]).toMatchObject({ tags: { team: 'x' }, by: { id: 'ana', tenant: 't', roles: ['user'] } });
    expect(JSON.stringify(log)).not.toContain('hunter2');
  });
});

describe('an inconsistent journal', () => {
  const started = async () => {
    const { journal, appends } = recording(memoryJournal());
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 1 });
    const a = agent({ ...ok, model: scripted([asks(['sign', {}])]), tools: [sign] });
    const run = await new Engine({ journal }).run(a, 'go');
    return { appends, a, runId: run.runId };
  };

  test('without its beginning is refused as damaged, by every method that reads it', async () => {
    const { appends, a, runId } = await started();
    const headless = appends.map((x, i) =>
      i === 0 ? { ...x, entries: x.entries.map((e) => ({ ...e, type: 'run.claimed', epoch: 1 }) as never) } : x,
    );
    const engine = new Engine({ journal: await leftBehind(headless), agents: [a] });
    await refused('JOURNAL_DAMAGED', engine.inspect(runId));
    await refused('JOURNAL_DAMAGED', engine.resume(runId));
    await refused('JOURNAL_DAMAGED', engine.cancel(runId));
    await refused('JOURNAL_DAMAGED', all(engine.watch(runId)));
  });

  test('whose entries name an unknown call is refused as damaged', async () => {
    const { appends, a, runId } = await started();
    const wrong = appends.map((x) => ({
      ...x,
      entries: x.entries.map((e) => (e.type === 'approval.requested' ? { ...e, call: '7.3' } : e)),
    }));
    const engine = new Engine({ journal: await leftBehind(wrong), agents: [a] });
    await refused('JOURNAL_DAMAGED', engine.inspect(runId));
    await refused('JOURNAL_DAMAGED', engine.resume(runId));
  });
});

describe('errors', () => {
  test('are recognised by their mark, with or without a code', () => {
    const error = new RondoError('RUN_BUSY', 'busy', { details: { runId: 'r' } });
    expect(RondoError.is(error)).toBe(true);
    expect(RondoError.is(error, 'RUN_BUSY')).toBe(true);
    expect(RondoError.is(error, 'RUN_EXISTS')).toBe(false);
    expect(RondoError.is(new Error('busy'))).toBe(false);
    expect(RondoError.is({ code: 'RUN_BUSY' })).toBe(false);
    expect(RondoError.is(undefined)).toBe(false);
    expect(new ToolError('X', 'x')).toMatchObject({ code: 'X', outcome: 'failed', retryable: false });
    expect(new ToolError('X', 'x', { retryAfter: 5 }).retryable).toBe(true);
  });

  test('a model that throws something odd fails the run, typed', async () => {
    for (const thrown of [
      undefined,
      null,
      'text',
      { code: 7 },
      new Proxy(
        {},
        {
          get: () => {
            throw new Error('trap');
          },
        },
      ),
    ]) {
      const odd: Model = { provider: 'mine', id: 'odd', generate: () => Promise.reject(thrown) };
      const { error } = await ends(new Engine().run(agent({ ...ok, model: odd }), 'go'), 'failed');
      expect(error).toMatchObject({ code: 'MODEL_FAILED', outcome: 'failed' });
      expect(error.message).not.toBe('');
    }
  });
});
