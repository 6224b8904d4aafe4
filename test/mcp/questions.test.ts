import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema, UrlElicitationRequiredError } from '@modelcontextprotocol/sdk/types.js';
import { acceptedContent, createMcpHandler, inputRequired, McpServer } from '@modelcontextprotocol/server';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type McpOptions, mcpTools } from '../../src/adapters/mcp/index.ts';
import { agent, Engine, memoryJournal } from '../../src/index.ts';
import { listen } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { serveWith } from './http.ts';
import { stdioServer, using } from './support.ts';

const ana = { id: 'ana' };
const FORM = {
  type: 'object' as const,
  properties: { room: { type: 'string' as const, enum: ['hall', 'garden'] }, seats: { type: 'integer' as const, default: 4 } },
  required: ['room'],
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** What the servers were called with, and what they did. */
const seen = () => ({ calls: 0, booked: [] as unknown[], keys: new Set<unknown>() });

/** 2026-07-28, by the official server: a call that needs an answer ends with the question. */
async function modernServer() {
  const log = seen();
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'tables', version: '1' });
    server.registerTool('book', { description: 'Books', inputSchema: z.object({ people: z.number() }) }, async ({ people }, ctx) => {
      log.calls++;
      log.keys.add(ctx.mcpReq._meta?.['rondo/idempotency-key']);
      const answer = acceptedContent(ctx.mcpReq.inputResponses, 'room');
      if (!answer)
        return inputRequired({ inputRequests: { room: inputRequired.elicit({ message: 'Which room?', requestedSchema: FORM }) } });
      log.booked.push({ people, ...answer });
      return { content: [{ type: 'text' as const, text: 'booked' }] };
    });
    server.registerTool('sample', { description: 'Wants a model', inputSchema: z.object({}) }, async () =>
      inputRequired({ inputRequests: { a: { method: 'roots/list', params: {} } as never } }),
    );
    return server;
  });
  const server = await listen((request) => handler.fetch(request), { port: 0 });
  closing.push(() => server.close());
  return { log, url: `http://127.0.0.1:${server.port}/mcp` };
}

/** 2025-11-25, by the official server: it asks in the middle of the call. */
async function legacyServer() {
  const log = seen();
  const server = await serveWith(() => {
    const own = new Server({ name: 'tables', version: '1' }, { capabilities: { tools: {} } });
    const named = (name: string) => ({ name, description: name, inputSchema: { type: 'object' as const } });
    own.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [named('book'), named('visit')] }));
    own.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
      log.calls++;
      log.keys.add(params._meta?.['rondo/idempotency-key']);
      if (params.name === 'visit') {
        if (log.calls === 1)
          throw new UrlElicitationRequiredError([{ mode: 'url', message: 'Pay first', url: 'https://pay.example/7', elicitationId: 'e7' }]);
        return { content: [{ type: 'text' as const, text: 'paid' }] };
      }
      const answer = await own.elicitInput({ message: 'Which room?', requestedSchema: FORM }, { relatedRequestId: extra.requestId });
      if (answer.action !== 'accept') return { content: [{ type: 'text' as const, text: `not booked: ${answer.action}` }] };
      log.booked.push({ ...params.arguments, ...answer.content });
      return { content: [{ type: 'text' as const, text: 'booked' }] };
    });
    return own;
  });
  closing.push(() => server.close());
  return { log, url: server.url };
}

function desk(options: McpOptions, tool = 'book', journal = memoryJournal()) {
  const model = scripted(tool === '' ? ['done'] : [asks([tool, { people: 9 }]), 'done']);
  const a = agent({ name: 'clerk', instructions: '', model, tools: [mcpTools({ name: 'tables', ...options })] });
  const engine = new Engine({ journal, agents: [a] });
  closing.push(() => engine.close());
  return { a, engine, model, journal };
}

const servers = [
  { version: '2026-07-28', serve: modernServer, options: { protocol: '2026-07-28' }, calls: 2 },
  { version: '2026-07-28, if the server speaks it', serve: modernServer, options: { protocol: 'auto' }, calls: 2 },
  { version: '2025-11-25', serve: legacyServer, options: { effects: { book: 'idempotent' } }, calls: 2 },
  {
    version: '2025-11-25, by the later SDK',
    serve: legacyServer,
    options: { protocol: 'auto', effects: { book: 'idempotent' } },
    calls: 2,
  },
] as const;

describe.each(servers)('a server that asks the person, $version', ({ serve, options, calls }) => {
  it('pauses the run with its form; the call is made again with the answer, in another process', async () => {
    const { url, log } = await serve();
    const one = desk({ url, ...options });
    const paused = await ends(one.engine.run(one.a, 'go', { by: ana }), 'paused');
    expect(paused.approvals).toMatchObject([{ kind: 'question', question: '"tables" asks: Which room?', answer: FORM }]);
    expect(log.booked).toEqual([]);
    await one.engine.close();
    const other = desk({ url, ...options }, '', one.journal);
    await other.engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'respond', answer: { room: 'hall' } }], { by: ana });
    await ends(other.engine.resume(paused.runId), 'completed');
    expect(log.booked).toEqual([{ people: 9, room: 'hall', seats: 4 }]);
    expect(log.calls).toBe(calls);
    expect(log.keys.size).toBe(1);
    expect(shown(other.model.requests[0])).toMatchObject([{ text: 'booked' }]);
  });

  it('a rejection ends the call, and nothing is done', async () => {
    const { url, log } = await serve();
    const { engine, a, model } = desk({ url, ...options });
    const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'reject', reason: 'too far' }], { by: ana });
    await ends(engine.resume(paused.runId), 'completed');
    expect(log).toMatchObject({ calls: 1, booked: [] });
    expect(shown(model.requests[1])[0]).toMatchObject({ isError: true, text: expect.stringContaining('too far') });
  });

  it('is answered at once by an application that can', async () => {
    const { url, log } = await serve();
    const questions: unknown[] = [];
    const elicit: McpOptions['elicit'] = ({ tool, message, schema }) => {
      questions.push({ tool, message, schema });
      return { room: 'garden' };
    };
    const { engine, a } = desk({ url, ...options, effects: {}, elicit });
    await ends(engine.run(a, 'go', { by: ana }), 'completed');
    expect(questions).toEqual([{ tool: 'book', message: 'Which room?', schema: FORM }]);
    expect(log.booked).toEqual([{ people: 9, room: 'garden', seats: 4 }]);
  });
});

it('2025-11-25: the question of a `once` tool is cancelled, and the call is made once', async () => {
  const { url, log } = await legacyServer();
  const { engine, a, model } = desk({ url });
  await ends(engine.run(a, 'go', { by: ana }), 'completed');
  expect(log).toMatchObject({ calls: 1, booked: [] });
  expect(shown(model.requests[1])).toMatchObject([{ text: 'not booked: cancel' }]);
});

it('2025-11-25: a page that must be visited first is a consent, also of a `once` tool', async () => {
  const { url, log } = await legacyServer();
  const { engine, a, model } = desk({ url }, 'visit');
  const paused = await ends(engine.run(a, 'go', { by: ana }), 'paused');
  expect(paused.approvals).toMatchObject([{ kind: 'consent', provider: 'tables', url: 'https://pay.example/7', reason: 'Pay first' }]);
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ana });
  await ends(engine.resume(paused.runId), 'completed');
  expect(log.calls).toBe(2);
  expect(shown(model.requests[1])).toMatchObject([{ text: 'paid' }]);
});

it('2026-07-28: what a server wants besides is refused', async () => {
  const { url } = await modernServer();
  const { engine, a, model } = desk({ url, protocol: 'auto' }, 'sample');
  await ends(engine.run(a, 'go', { by: ana }), 'completed');
  expect(shown(model.requests[1])[0]).toMatchObject({ isError: true });
});

it('the later SDK starts a server over stdio too', () =>
  using({ ...stdioServer, protocol: 'auto' }, async ({ call }) => expect(await call('echo', { text: 'hi' })).toBe('hi')));

it('a protocol that there is not is told at once', () => {
  expect(() => mcpTools({ url: 'https://mcp.example', protocol: '2024-01-01' as never })).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
});
