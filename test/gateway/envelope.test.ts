/**
 * Every way in to a tool of a gateway passes what the gateway has before its targets: interceptors, rate limits, the policy, and what it offers a
 * caller. A new kind of tool does not compile here until it has its place, and a new kind of target fails until it has its row.
 */
import { agent, askHuman, delegate, Engine, foreignAgent, graph, type Json, reliability, type Tool, waitTool } from 'rondo';
import * as exported from 'rondo/gateway';
import { type GatewayOptions, gateway, type InterceptorInput, type InterceptorOutput, type TargetTools } from 'rondo/gateway';
import { gatewayHandler, mcpTools } from 'rondo/mcp';
import { scripted } from 'rondo/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import type { ToolDefinition } from '../../src/loop/types.ts';
import { reference } from '../agentcore/targets/reference.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { call, find, named, searched } from '../loop/searched.ts';
import { serving, sourceOf } from '../mcp/served.ts';
import { opened } from './support.ts';

/** What of a tool says who answers its calls. A tool that is answered in another way needs rows below. */
const ANSWERS = {
  delegate: 'an agent',
  ask: 'a person',
  waits: 'what it waits for',
  finding: 'the engine',
  reads: 'the engine',
  // none of these changes who answers
  name: undefined,
  description: undefined,
  effect: undefined,
  options: undefined,
  spec: undefined,
  hash: undefined,
  held: undefined,
  doors: undefined,
  hidden: undefined,
} satisfies Record<Exclude<keyof ToolDefinition, symbol>, string | undefined>;

/** What `rondo/gateway` exports and makes no target. */
const NO_TARGET = ['brave', 'localIndex', 'searxng', 'tavily'];

interface Row {
  tools: TargetTools;
  /** Its name in the target. */
  name: string;
  args: Json;
  /** How often what is behind the gateway was reached. */
  ran(): number;
  /** The model finds it first. */
  found?: string;
  /** What `rondo/gateway` makes the target. */
  by?: string;
  /** An agent answers its calls, which the reliability of a target cannot hold for. */
  answers?: 'an agent';
}

/** A tool that counts, and the others are made of. */
function counted(name = 'act') {
  let ran = 0;
  return { tool: named(name, { effect: 'read', execute: () => (++ran, 'secret') as never }), ran: () => ran };
}
function desk(name = 'act') {
  const model = scripted(() => 'secret');
  return { agent: agent({ name, instructions: '', model }), ran: () => model.requests.length };
}
const task = { task: 'go' };
const OK = { 200: { description: 'ok' } };

async function http(make: (url: string) => TargetTools, row: Pick<Row, 'name' | 'args' | 'by'>): Promise<Row> {
  const service = await reference();
  return { ...row, tools: make(service.url), ran: () => service.received.length };
}

const ROWS: Record<string, () => Row | Promise<Row>> = {
  'a function': () => {
    const { tool, ran } = counted();
    return { tools: [tool], name: 'act', args: {}, ran };
  },
  'an agent': () => {
    const { agent: own, ran } = desk();
    return { tools: [own], name: 'act', args: task, ran, answers: 'an agent' };
  },
  'an agent by delegate()': () => {
    const { agent: own, ran } = desk('other');
    return { tools: [delegate(own, { name: 'act', share: 'history' })], name: 'act', args: task, ran, answers: 'an agent' };
  },
  'a graph': () => {
    let ran = 0;
    const own = graph({
      name: 'act',
      state: z.object({ order: z.string(), told: z.string().default('') }),
      nodes: { work: () => (++ran, { told: 'secret' }) },
      edges: { start: 'work', work: 'end' },
      output: ({ told }) => told,
    });
    return { tools: [own], name: 'act', args: { order: '7' }, ran: () => ran, answers: 'an agent' };
  },
  'a graph that ends where it begins': () => {
    const own = graph({
      name: 'act',
      state: z.object({ order: z.string() }),
      nodes: { work: () => ({}) },
      edges: { start: { to: ['work', 'end'], choose: () => (ran++, 'end') }, work: 'end' },
      output: () => 'secret',
    });
    let ran = 0;
    return { tools: [own], name: 'act', args: { order: '7' }, ran: () => ran, answers: 'an agent' };
  },
  'an agent of another framework': () => {
    let ran = 0;
    const own = foreignAgent({ name: 'act', turn: async () => (++ran, { status: 'completed' as const, output: 'secret' }) });
    return { tools: [own], name: 'act', args: task, ran: () => ran, answers: 'an agent' };
  },
  'an agent of a gateway': () => {
    const { agent: own, ran } = desk();
    return {
      tools: gateway({ name: 'inner', targets: { in: [own] } }),
      name: 'in___act',
      args: task,
      ran,
      by: 'gateway',
      answers: 'an agent',
    };
  },
  'a function of a gateway': () => {
    const { tool, ran } = counted();
    return { tools: gateway({ name: 'inner', targets: { in: [tool] } }), name: 'in___act', args: {}, ran, by: 'gateway' };
  },
  'a tool that is found': () => {
    const { tool, ran } = counted();
    return { tools: searched([tool]).made, name: 'act', args: {}, ran, found: 'act' };
  },
  'a source for each caller': () => {
    const { tool, ran } = counted();
    return {
      tools: { ...sourceOf('s', [tool]), perCaller: true },
      name: 'act',
      args: {},
      ran,
    };
  },
  'an MCP server': async () => {
    const { tool, ran } = counted();
    const { url } = await serving((engine) => gatewayHandler(engine, sourceOf('s', [tool])));
    return { tools: mcpTools({ url }), name: 'act', args: {}, ran };
  },
  'an OpenAPI document': () => {
    const document = {
      openapi: '3.1.0',
      info: { title: 't', version: '1' },
      paths: { '/act': { get: { operationId: 'act', responses: OK } } },
    };
    const { openApiTools } = exported;
    return http((server) => openApiTools({ document: document as never, server }), { name: 'act', args: {}, by: 'openApiTools' });
  },
  'a Lambda function': () => {
    let ran = 0;
    const { lambdaTools } = exported;
    const tools = [{ name: 'act', description: 'acts', inputSchema: { type: 'object' as const } }];
    return {
      tools: lambdaTools({ function: 'f', tools, invoke: async () => (++ran, { payload: 'secret' }) }),
      name: 'act',
      args: {},
      ran: () => ran,
      by: 'lambdaTools',
    };
  },
  'a search of the web': () => {
    let ran = 0;
    const backend = { name: 'b', search: async () => (++ran, []) };
    return {
      tools: exported.webSearch({ backend: backend as never, ttl: false }),
      name: 'WebSearch',
      args: { query: 'tea' },
      ran: () => ran,
      by: 'webSearch',
    };
  },
  GitHub: () => http((server) => exported.github({ server }), { name: 'repos_get', args: { owner: 'a', repo: 'b' }, by: 'github' }),
  Slack: () => http((server) => exported.slack({ server }), { name: 'users_info', args: { user: 'U1' }, by: 'slack' }),
};

const out = (mcp: InterceptorOutput['mcp']): InterceptorOutput => ({ interceptorOutputVersion: '1.0', mcp });
const error = (message: string) => ({ jsonrpc: '2.0', id: 1, error: { code: -32000, message } });
const identity = { get: async () => ({ token: 't' }) };

/** Calls the tool of a row through a gateway, twice where asked. */
async function through(row: Row, o: Partial<GatewayOptions>, times = 1) {
  const office = gateway({ name: 'office', targets: { to: row.tools }, ...o });
  const full = `to___${row.name}`;
  const one = row.found === undefined ? asks([full, row.args]) : asks(call(full, row.args));
  const calls = Array.from({ length: times }, () => one);
  const model = scripted([...(row.found === undefined ? [] : [asks(find(row.found))]), ...calls, 'done']);
  const engine = new Engine({ identity });
  onTestFinished(() => engine.close());
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [office] });
  await ends(engine.run(clerk, 'go', { by: { id: 'ana' } }), 'completed');
  const seen = shown(model.requests.at(-1));
  return { seen: seen.slice(-times), offered: model.requests.flatMap(({ tools }) => tools.map(({ name }) => name)), full, searched: seen };
}

describe.each(Object.entries(ROWS))('%s', (_, make) => {
  it('is reached, and answers', async () => {
    const row = await make();
    const { seen } = await through(row, {});
    expect([row.ran(), seen.map(({ isError }) => isError === true)]).toEqual([1, [false]]);
  });

  it('passes the interceptors of requests and of responses', async () => {
    const refused = await make();
    const closed = await through(refused, {
      interceptors: { request: () => out({ transformedGatewayResponse: { statusCode: 403, body: error('not here') } }) },
    });
    expect(failure(closed.seen[0])).toMatchObject({ code: 'INTERCEPTOR_REFUSED', message: 'not here', outcome: 'not-run' });
    expect(refused.ran()).toBe(0);

    const row = await make();
    const events: InterceptorInput[] = [];
    const { seen, full } = await through(row, {
      interceptors: {
        response(event) {
          events.push(event);
          const body = { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text: 'masked' }] } };
          return out({ transformedGatewayResponse: { body } });
        },
      },
    });
    expect([row.ran(), seen[0]?.text, seen[0]?.isError === true]).toEqual([1, 'masked', false]);
    expect(events.map(({ mcp }) => mcp.gatewayRequest.body.params)).toEqual([{ name: full, arguments: row.args }]);
  });

  it('counts in its rate limits', async () => {
    const row = await make();
    const limit = { dimensionKeys: ['targetName', 'toolName', 'user'], entries: [{ requests: [{ rate: 1, period: 'minute' as const }] }] };
    // else the run waits until the limit admits the call
    const once = row.answers ? {} : { reliability: { to: { retry: { attempts: 1 } } } };
    const { seen } = await through(row, { rateLimits: [limit], now: () => 1e12, ...once }, 2);
    expect(seen.map((one) => one.isError === true && failure(one).code)).toEqual([false, 'GATEWAY_RATE_LIMITED']);
    expect(row.ran()).toBe(1);
  });

  it('keeps to the reliability of its target, or says why it cannot', async () => {
    const row = await make();
    const config = reliability({
      timeoutConfig: { timeoutSeconds: 0.05 },
      retryPolicy: { maxAttempts: 1 },
      circuitBreaker: { failureThreshold: 1, recoveryTimeSeconds: 3_600 },
    });
    const o = { reliability: { to: config }, interceptors: { request: () => new Promise<never>(() => undefined) } };
    if (row.answers) {
      const refused = { code: 'CONFIG_INVALID', message: expect.stringMatching(/timeout, .*cannot hold for .*"(act|in___act)".*limits/) };
      return expect(() => gateway({ name: 'office', targets: { to: row.tools }, ...o })).toThrowError(expect.objectContaining(refused));
    }
    const { seen } = await through(row, o, 2);
    expect(seen.map((one) => failure(one).code)).toEqual(['TIMEOUT', 'CIRCUIT_OPEN']);
  });

  it('is decided about by its policy', async () => {
    const row = await make();
    const asked: string[] = [];
    const { seen, full } = await through(row, { policy: { decide: ({ tool }) => (asked.push(tool), { allow: false }) } });
    expect([failure(seen[0]).code, asked, row.ran()]).toEqual(['NOT_PERMITTED', [full], 0]);
  });

  it('is not offered to a caller to whom its policy does not offer it, and cannot be called then', async () => {
    const row = await make();
    const policy = { decide: () => ({ allow: true }), offers: ({ tools }: { tools: readonly string[] }) => tools.filter(() => false) };
    const { seen, offered, full, searched: all } = await through(row, { policy });
    expect(offered).not.toContain(full);
    expect(failure(seen[0]).code).toBe('TOOL_NOT_FOUND');
    if (row.found !== undefined) expect(all[0]?.text).not.toContain(full);
    expect(row.ran()).toBe(0);
  });
});

describe('what has no body', () => {
  it.each([
    ['a person answers', askHuman()],
    ['waits', waitTool()],
  ] as [string, Tool][])('and %s is refused where interceptors or limits could not hold for it', (_, tool) => {
    const guard = { request: () => out({}) };
    const limits = [{ dimensionKeys: [], entries: [{ requests: [{ rate: 1, period: 'minute' as const }] }] }];
    for (const more of [{ interceptors: guard }, { rateLimits: limits }])
      expect(() => gateway({ name: 'a', targets: { to: [tool] }, ...more })).toThrowError(
        expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('List it among the agent') }),
      );
    expect(() => gateway({ name: 'a', targets: { to: [tool] }, policy: { decide: () => ({ allow: true }) } })).not.toThrow();
  });

  it('is left out of what a source lists', async () => {
    const office = gateway({
      name: 'a',
      targets: { to: sourceOf('s', [askHuman(), named('act')]) },
      interceptors: { request: () => out({}) },
    });
    const own = await opened(office);
    expect((await own.list()).map(({ name }) => name)).toEqual(['to___act']);
    expect(own.left()).toEqual([{ target: 'to', reason: expect.stringContaining('a person answers it') }]);
  });

  it.each(Object.entries(ANSWERS).filter(([, by]) => by === 'a person' || by === 'what it waits for'))('is known by %s', (field) => {
    expect(
      [askHuman(), waitTool()].filter((tool) => field in tool && (tool as never as Record<string, unknown>)[field] !== undefined),
    ).toHaveLength(1);
  });
});

it('has a row for each export that makes a target', async () => {
  const rows = await Promise.all(Object.values(ROWS).map((make) => make()));
  const makers = Object.entries(exported).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
  expect([...new Set(rows.flatMap(({ by }) => by ?? [])), ...NO_TARGET].sort()).toEqual(makers.sort());
});
