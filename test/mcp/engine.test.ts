/** MCP tools where they belong: in an agent, driven by the engine. */
import { context, propagation, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { agent, Engine, memoryJournal, tool } from 'rondo';
import { mcpTools } from 'rondo/mcp';
import { scripted } from 'rondo/testing';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { alive, stdioServer } from './support.ts';

type Options = Partial<Parameters<typeof mcpTools>[0]>;

/** Runs an agent that makes these calls, each in a step of its own, and gives what it was told. */
async function told(calls: readonly { name: string; input: object }[], options: Options = {}) {
  const model = scripted([...calls.map(({ name, input }) => ({ toolCalls: [{ name, input: input as never }] })), 'done']);
  const caller = agent({ name: 'caller', instructions: '', model, tools: [mcpTools({ ...stdioServer, ...options })] });
  await using engine = new Engine();
  const result = await engine.run(caller, 'go');
  const texts = (await engine.inspect(result.runId)).messages
    .flatMap((m) => m.content)
    .flatMap((p) =>
      p.type === 'toolResult' ? [p.output.map((part) => (part.type === 'text' ? part.text : `[${part.type}]`)).join('|')] : [],
    );
  return { result, texts, offered: model.requests[0]?.tools ?? [] };
}

describe('an agent with the tools of an MCP server', () => {
  it('is offered their schemas, and told their results', async () => {
    const { texts, offered, result } = await told([
      { name: 'echo', input: { text: 'hi' } },
      { name: 'picture', input: {} },
    ]);
    expect(result.status).toBe('completed');
    expect(offered.find((t) => t.name === 'echo')).toEqual({
      name: 'echo',
      description: 'does echo',
      input: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
    });
    expect(texts[0]).toBe('hi');
    expect(texts[1]).toMatch(/^a picture\|\[image\]/);
  });

  it('is told what is wrong with its arguments before the server is asked', async () => {
    const { texts } = await told([{ name: 'echo', input: { text: 7 } }]);
    expect(JSON.parse(texts[0] as string)).toMatchObject({
      code: 'INVALID_ARGUMENTS',
      outcome: 'not-run',
      message: expect.stringContaining('text'),
    });
  });

  it('sees an error retried where a trusted server says that nothing was done, and then gets it', async () => {
    const { texts } = await told(
      [
        { name: 'fails_well', input: {} },
        { name: 'fails', input: {} },
      ],
      { retry: { attempts: 3, initialDelay: 1 }, trustAnnotations: true },
    );
    expect(JSON.parse(texts[0] as string)).toMatchObject({ code: 'SERVICE_UNAVAILABLE', outcome: 'not-run', attempts: 3 });
    expect(JSON.parse(texts[1] as string)).toMatchObject({ code: 'MCP_TOOL_ERROR', outcome: 'unknown', attempts: 1 });
  });

  it('does not run a `once` tool again whose server died under it; a `read` one is, on a new server', async () => {
    const once = await told([{ name: 'die', input: {} }], { retry: { attempts: 2, initialDelay: 1 } });
    expect(JSON.parse(once.texts[0] as string)).toMatchObject({ code: 'NETWORK', outcome: 'unknown', attempts: 1 });
    const read = await told([{ name: 'die', input: {} }], { effects: { die: 'read' }, retry: { attempts: 2, initialDelay: 1 } });
    expect(JSON.parse(read.texts[0] as string)).toMatchObject({ code: 'NETWORK', attempts: 2 });
  });

  it('waits for a person where a rule for that tool says so', async () => {
    const { result } = await told(
      [
        { name: 'echo', input: { text: 'free' } },
        { name: 'put', input: {} },
      ],
      { approval: { put: { reason: 'it writes' } } },
    );
    expect(result).toMatchObject({ status: 'paused', approvals: [{ kind: 'tool', tool: 'put', reason: 'it writes' }] });
    const all = await told([{ name: 'echo', input: { text: 'x' } }], { approval: true });
    expect(all.result.status).toBe('paused');
  });

  it('cannot have two tools of one name, unless one has a prefix', async () => {
    const own = tool({ name: 'echo', description: 'ours', input: z.object({}), execute: () => 'ours' });
    const run = async (prefix?: string) => {
      const source = mcpTools({ ...stdioServer, ...(prefix !== undefined && { prefix }) });
      const twice = agent({ name: 'twice', instructions: '', model: scripted(['done']), tools: [own, source] });
      await using engine = new Engine();
      return (await engine.run(twice, 'go')).status;
    };
    await expect(run()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('"echo"') });
    expect(await run('f_')).toBe('completed');
  });

  it('does not start where its server does not: the caller gets the error, and nothing is in the journal', async () => {
    const journal = memoryJournal();
    const source = mcpTools({ name: 'bad', command: process.execPath, args: ['-e', 'console.error("no database"); process.exit(1)'] });
    const broken = agent({ name: 'broken', instructions: '', model: scripted(['done']), tools: [source] });
    await using engine = new Engine({ journal });
    await expect(engine.run(broken, 'go')).rejects.toMatchObject({
      code: 'MCP_UNAVAILABLE',
      message: expect.stringContaining('no database'),
    });
    expect([...(journal.heads({}) as Iterable<unknown>)]).toEqual([]);
  });

  it('shares one process among its runs, which ends with the engine', async () => {
    const model = scripted((request) => (request.messages.at(-1)?.role === 'tool' ? 'done' : { toolCalls: [{ name: 'pid', input: {} }] }));
    const asker = agent({ name: 'asker', instructions: '', model, tools: [mcpTools(stdioServer)] });
    const engine = new Engine();
    const pids = await Promise.all(
      [1, 2, 3].map(async () => {
        const { runId } = await engine.run(asker, 'go');
        const { messages } = await engine.inspect(runId);
        const result = messages.flatMap((m) => m.content).find((p) => p.type === 'toolResult');
        return result?.type === 'toolResult' && result.output[0]?.type === 'text' ? Number(result.output[0].text) : 0;
      }),
    );
    expect(new Set(pids).size).toBe(1);
    expect(alive(pids[0] as number)).toBe(true);
    await engine.close();
    expect(alive(pids[0] as number)).toBe(false);
  });

  it('tells the server which span it works for', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    provider.register();
    try {
      const { texts } = await told([{ name: 'meta', input: {} }]);
      const { traceparent } = JSON.parse(texts[0] as string) as { traceparent: string };
      const span = exporter.getFinishedSpans().find((s) => s.name.startsWith('execute_tool'));
      expect(traceparent).toBe(`00-${span?.spanContext().traceId}-${span?.spanContext().spanId}-01`);
    } finally {
      await provider.shutdown();
      trace.disable();
      context.disable();
      propagation.disable();
    }
  });

  it('does what a key of intents names once, over runs, with its amount and its cost', async () => {
    const journal = memoryJournal();
    const intents: NonNullable<Options['intents']> = {
      echo: {
        key: ({ text }) => `echo:${text}`,
        intent: 'texts.echo',
        same: ({ text }) => text,
        amount: () => ({ usd: 7 }),
        cost: (output) => String(output).length / 100,
      },
    };
    const model = () => scripted([{ toolCalls: [{ name: 'x_echo', input: { text: 'hi' } }] }, 'done']);
    const made = () =>
      agent({ name: 'caller', instructions: '', model: model(), tools: [mcpTools({ ...stdioServer, prefix: 'x_', intents })] });
    await using engine = new Engine({ journal });
    const ends = [];
    const costs = [];
    for (const _ of [1, 2]) {
      const { runId, costUsd } = await engine.run(made(), 'go');
      costs.push(costUsd);
      for await (const entry of journal.read(runId)) {
        if (entry.type === 'call.started')
          expect(entry).toMatchObject({ amount: { usd: 7 }, intent: { name: 'texts.echo', key: 'echo:hi' } });
        if (entry.type === 'call.finished') ends.push(entry);
      }
    }
    expect(ends).toMatchObject([
      { ok: true, output: 'hi', attempts: 1, usd: 0.02 },
      { ok: true, output: 'hi', attempts: 0, repeated: {} },
    ]);
    expect(costs).toEqual([0.02, 0]);
  });

  it('has no key where it only reads', () => {
    const intents = { echo: { key: () => 'k' } };
    expect(() => mcpTools({ ...stdioServer, effects: { echo: 'read' }, intents })).toThrowError(/"echo" a key.*reads/);
  });
});
