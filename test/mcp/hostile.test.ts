/** What a server says of its tools, when it means no good or is badly written. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, type CallToolResult, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { type Agent, agent, Engine, type Tool } from 'rondo';
import { type McpOptions, mcpTools } from 'rondo/mcp';
import { scripted } from 'rondo/testing';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { toolError } from '../../src/adapters/mcp/failure.ts';
import { output } from '../../src/adapters/mcp/result.ts';
import { foreignSchema } from '../../src/json-schema.ts';
import { definition } from '../../src/loop/tools/tool.ts';
import { validate } from '../../src/schema.ts';
import { eventually } from '../kit/time.ts';
import { stdioServer, using } from './support.ts';

type Described = { name: string; description?: string; inputSchema?: unknown; annotations?: object };
type Result = { content: { type: 'text'; text: string }[]; isError?: boolean; _meta?: object };

/** A server with these tools; `state.tools` may change, and `changed()` says so. */
async function served(tools: readonly Described[], call: (name: string) => Result = () => ({ content: [] })) {
  const state = { tools, calls: 0 };
  const sessions = new Map<string | undefined, { server: Server; transport: StreamableHTTPServerTransport }>();
  const session = async () => {
    const server = new Server({ name: 'hostile', version: '1' }, { capabilities: { tools: { listChanged: true } } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: state.tools.map((t) => ({ inputSchema: { type: 'object' }, ...t })) as never,
    }));
    server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
      state.calls++;
      return call(params.name) as CallToolResult;
    });
    const id = String(sessions.size);
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: () => id });
    await server.connect(transport as never);
    sessions.set(id, { server, transport });
    return { transport };
  };
  const http = createServer(async (req, res) => {
    const known = sessions.get(req.headers['mcp-session-id'] as string | undefined);
    await (known ?? (await session())).transport.handleRequest(req, res);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  const changed = () => Promise.all([...sessions.values()].map(({ server }) => server.sendToolListChanged()));
  return Object.assign(state, { options: { name: 'hostile', url }, changed });
}

const doubling = (levels: number) => {
  const $defs: { [name: string]: object } = { d0: { type: 'object' } };
  for (let i = 1; i <= levels; i++) $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] };
  return { type: 'object', $defs, $ref: `#/$defs/d${levels}` };
};
const nested = (levels: number) => {
  let schema: object = { type: 'string' };
  for (let i = 0; i < levels; i++) schema = { type: 'object', properties: { a: schema } };
  return schema;
};
const warnings = () => vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
afterEach(() => vi.restoreAllMocks());
const problem = async (schema: object, value: unknown) => {
  const checked = await validate(foreignSchema(schema, 'the schema'), value);
  return checked.ok ? 'fits' : checked.problem;
};

describe('a schema of a server', () => {
  it.each<[string, unknown, RegExp]>([
    ['that doubles itself', doubling(22), /more than 5000 schemas/],
    ['that leads back to itself', { type: 'object', $ref: '#' }, /back to itself/],
    ['with a $ref out of the document', { type: 'object', properties: { a: { $ref: 'https://example.test/a' } } }, /no other is loaded/],
    ['with a $ref to nowhere', { type: 'object', properties: { a: { $ref: '#/$defs/a' } } }, /no other is loaded/],
    ['that is too deep', nested(150), /200 levels/],
    ['that is too wide', { type: 'object', required: Array.from({ length: 6_000 }, (_, i) => `${i}`) }, /5000 values/],
    ['that is too long', { type: 'object', description: 'x'.repeat(70_000) }, /65536 characters/],
    ['that is none', { type: 'object', properties: { a: { items: 7 } } }, /"#\/properties\/a\/items|#\/properties\/a\/items must/],
  ])('%s: its tool is left out, and a warning says which and why', async (_, inputSchema, why) => {
    const warned = warnings();
    const { options } = await served([{ name: 'bad', inputSchema }, { name: 'good' }]);
    await using(options, async ({ tools }) => expect(tools.map((t) => t.name)).toEqual(['good']));
    expect(warned.mock.calls).toEqual([[expect.stringMatching(why), 'RondoWarning']]);
    expect(warned.mock.calls[0]?.[0]).toContain('MCP server "hostile": tools are left out. "bad":');
    expect(String(warned.mock.calls[0]?.[0])).not.toContain('cfworker');
    const asked = using({ ...options, allow: ['bad'] }, async () => {});
    await expect(asked).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('"bad"') });
  });

  it('cannot hold up the process with a regular expression, a format, or items that are unique', async () => {
    const text = `${'a'.repeat(40)}!`;
    const schema = {
      type: 'object',
      properties: { a: { type: 'string', pattern: '^(a+)+$', format: 'uri' }, b: { uniqueItems: true } },
      patternProperties: { '^(x+)+$': { type: 'number' } },
      additionalProperties: false,
    };
    expect(await problem(schema, { a: text, [`${'x'.repeat(40)}!`]: 1, b: [1, 1] })).toBe('fits');
    // it is shown to the model all the same
    const warned = warnings();
    const { options } = await served([{ name: 'shown', inputSchema: schema }]);
    await using(options, async ({ tools: [shown] }) => expect(definition(shown as Tool).spec.input).toEqual(schema));
    expect(warned).not.toHaveBeenCalled();
  });

  it('still tells a slip of the model', async () => {
    const schema = {
      type: 'object',
      properties: { n: { type: 'integer', minimum: 1 }, kind: { enum: ['a', 'b'] }, at: { $ref: '#/$defs/at' } },
      required: ['n'],
      additionalProperties: false,
      $defs: { at: { type: 'string' } },
    };
    expect(await problem(schema, { n: 1, kind: 'a', at: 'x' })).toBe('fits');
    expect(await problem(schema, {})).toContain('"n"');
    expect(await problem(schema, { n: 0 })).toMatch(/^n: 0 is less than 1/);
    expect(await problem(schema, { n: 1, kind: 'c' })).toMatch(/^kind: /);
    expect(await problem(schema, { n: 1, at: 7 })).toContain('at: ');
    expect(await problem(schema, { n: 1, m: 1 })).toContain('"m"');
  });

  it('does not refuse what only an unchecked keyword could allow', async () => {
    const either = {
      oneOf: [
        { type: 'string', pattern: '^a' },
        { type: 'string', pattern: '^b' },
      ],
    };
    const schema = { type: 'object', properties: { a: either, b: { not: { pattern: '^x' } }, c: { if: { pattern: '^x' }, then: false } } };
    expect(await problem(schema, { a: 'abc', b: 'y', c: 'y' })).toBe('fits');
    expect(await problem(schema, { a: 7 })).toMatch(/^a: /);
  });

  it('that doubles with each level of the arguments is given up', async () => {
    const schema = { type: 'object', properties: { a: { allOf: [{ $ref: '#' }, { $ref: '#' }] } } };
    let value = {};
    for (let i = 0; i < 60; i++) value = { a: value };
    expect(await problem(schema, { a: { a: {} } })).toBe('fits');
    expect(await problem(schema, value)).toMatch(/too large/);
  });
});

describe('what a server says of its tools', () => {
  it('is cut where a description is long, and the model is told', async () => {
    const { options } = await served([{ name: 'wordy', description: `${'y'.repeat(4_095)}\u{1f600}${'z'.repeat(5_000_000)}` }]);
    await using(options, async ({ tools: [wordy] }) => {
      expect(wordy?.description.length).toBeLessThan(4_200);
      expect(wordy?.description).toMatch(/^y{4095}… \[cut: 5000001 characters of this description are not shown\]$/);
      expect(definition(wordy as Tool).spec.description).toBe(wordy?.description);
    });
  });

  it('is at most 500 tools, with a warning', async () => {
    const warned = warnings();
    const { options } = await served(Array.from({ length: 700 }, (_, i) => ({ name: `t${i}` })));
    await using(options, async ({ tools }) => expect(tools).toHaveLength(500));
    expect(warned.mock.calls).toEqual([[expect.stringContaining('all after the first 500'), 'RondoWarning']]);
    // those that are asked for are found among any number
    await using({ ...options, allow: ['t650'] }, async ({ tools }) => expect(tools.map((t) => t.name)).toEqual(['t650']));
  });

  it('is at most a million characters in all', async () => {
    const warned = warnings();
    const inputSchema = { type: 'object', description: 'x'.repeat(60_000) };
    const { options } = await served(Array.from({ length: 40 }, (_, i) => ({ name: `t${i}`, inputSchema })));
    await using(options, async ({ tools }) => expect(tools).toHaveLength(17));
    expect(warned.mock.calls[0]?.[0]).toMatch(/more than 1000000 characters; .*; and 18 more$/);
  });

  it('is one object per tool as long as it stays the same: circuits are known by it', async () => {
    const one = { name: 'one', inputSchema: { type: 'object', properties: { a: { type: 'string' } } } };
    const server = await served([one, { name: 'two', description: 'before' }]);
    await using({ ...server.options, acceptChange: () => true }, async ({ list, tools }) => {
      const relisted = async (next: readonly Described[], last: readonly Tool[]) => {
        server.tools = next;
        await server.changed();
        return eventually(async () => {
          const now = await list();
          expect(now).not.toBe(last);
          return now;
        });
      };
      expect(await list()).toBe(tools);
      const second = await relisted([structuredClone(one), { name: 'two', description: 'after' }], tools);
      expect(second[0]).toBe(tools[0]);
      expect(second[1]).not.toBe(tools[1]);
      expect(second[1]?.description).toBe('after');
      const schema = { type: 'object', properties: { a: { type: 'number' } } };
      const third = await relisted(
        [
          { ...one, inputSchema: schema },
          { name: 'two', description: 'after' },
        ],
        second,
      );
      expect(third[0]).not.toBe(second[0]);
      expect(third[1]).toBe(second[1]);
    });
  });

  it('stays the same objects when the server is restarted', () =>
    using(stdioServer, async ({ call, list, tools }) => {
      await call('die').catch(() => {});
      await call('pid');
      const again = await list();
      expect(again).not.toBe(tools);
      expect(again).toHaveLength(tools.length);
      again.forEach((t, i) => void expect(t).toBe(tools[i]));
    }));
});

describe('an answer of a server', () => {
  it('has short names, whatever it calls its parts', () => {
    const resource = { uri: `file:///${'x'.repeat(5_000_000)}`, blob: 'AAAA', mimeType: 'y'.repeat(5_000_000) };
    const parts = output({
      content: [
        { type: 'resource', resource },
        { type: 'image', data: 'AAAA', mimeType: resource.mimeType },
      ],
    });
    expect(JSON.stringify(parts).length).toBeLessThan(4_000);
    expect(parts).toMatchObject([
      { type: 'document', data: 'AAAA', name: expect.stringMatching(/^file:.*…$/) },
      { type: 'image', data: 'AAAA' },
    ]);
  });
});

describe('a result', () => {
  const text = (value: unknown) => ({ type: 'text' as const, text: typeof value === 'string' ? value : JSON.stringify(value) });
  const picture = { type: 'image' as const, data: 'iVBORw0KGgo='.repeat(20), mimeType: 'image/png' };
  const long = 'a line of a file\n'.repeat(20);

  it.each<[string, CallToolResult, unknown]>([
    ['text wrapped as data', { content: [text(long)], structuredContent: { content: long } }, long],
    [
      'texts joined',
      { content: [text('a'), text('b')], structuredContent: { content: 'a\nb' } },
      [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    ],
    [
      'a picture as base64 in the data',
      { content: [picture], structuredContent: { content: [picture] } },
      [{ type: 'image', mediaType: 'image/png', data: picture.data }],
    ],
    [
      'a list, an item a text',
      { content: [text({ id: 1 }), text({ at: 2, id: 2 })], structuredContent: { result: [{ id: 1 }, { id: 2, at: 2 }] } },
      [
        { type: 'text', text: '{"id":1}' },
        { type: 'text', text: '{"at":2,"id":2}' },
      ],
    ],
    ['a number', { content: [text('2')], structuredContent: { result: 2 } }, '2'],
    [
      'the same data in another order',
      { content: [text('{ "b": [1], "a": "x" }')], structuredContent: { a: 'x', b: [1] } },
      { a: 'x', b: [1] },
    ],
    ['data alone', { content: [], structuredContent: { n: 1 } }, { n: 1 }],
    ['no data', { content: [text(long)], structuredContent: {} }, long],
  ])('is told once: %s', (_, result, kept) => {
    expect(output(result)).toEqual(kept);
  });

  it('keeps data that is not in the content already', () => {
    expect(output({ content: [text(long)], structuredContent: { content: long, lines: 20 } })).toEqual([
      { type: 'text', text: long },
      { type: 'text', text: '{"content":"(as above)","lines":20}' },
    ]);
    // a value that is somewhere in the text is not told by it
    expect(output({ content: [text('{"n":1}')], structuredContent: { n: 1, m: 1 } })).toEqual([
      { type: 'text', text: '{"n":1}' },
      { type: 'text', text: '{"n":1,"m":1}' },
    ]);
  });

  it('may be nested without end', () => {
    const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
    const kept = output({ content: [text('x'), text(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)], structuredContent: { deep } });
    expect(JSON.stringify(kept)).toContain('nested too deeply');
  });
});

describe('what a server says of an error', () => {
  const said = { code: 'SERVICE_UNAVAILABLE', outcome: 'not-run', retryable: true };
  const failing = () =>
    served([{ name: 'pay' }], () => ({ content: [{ type: 'text', text: 'no' }], isError: true, _meta: { 'rondo/error': said } }));

  it.each<[string, Partial<McpOptions>, number, object]>([
    ['is not believed of a `once` tool', {}, 1, { code: 'MCP_TOOL_ERROR', outcome: 'unknown', retryable: false }],
    [
      'is believed of a `read` tool, but for the outcome',
      { effects: { pay: 'read' } },
      3,
      { code: 'SERVICE_UNAVAILABLE', outcome: 'failed' },
    ],
    ['is believed where the server is', { trustAnnotations: true }, 3, { code: 'SERVICE_UNAVAILABLE', outcome: 'not-run' }],
  ])('%s', async (_, more, calls, told) => {
    const server = await failing();
    const model = scripted([{ toolCalls: [{ name: 'pay', input: {} }] }, 'done']);
    const source = mcpTools({ ...server.options, ...more, retry: { attempts: 3, initialDelay: 1 } });
    await ran(agent({ name: 'payer', instructions: '', model, tools: [source] }));
    const last = model.requests[1]?.messages.at(-1)?.content[0];
    const text = last?.type === 'toolResult' && last.output[0]?.type === 'text' ? last.output[0].text : '';
    expect(JSON.parse(text)).toMatchObject({ ...told, attempts: calls });
    expect(server.calls).toBe(calls);
  });

  it('may be anything', () => {
    for (const meta of ['x', 7, null, [], { code: 7, outcome: 'done', retryable: 'yes', retryAfter: -1 }]) {
      const error = toolError({ content: [], isError: true, _meta: { 'rondo/error': meta } }, { trusted: true, effect: 'read' });
      expect(error).toMatchObject({ code: 'MCP_TOOL_ERROR', outcome: 'unknown', retryable: false });
    }
  });
});

async function ran(payer: Agent) {
  await using engine = new Engine();
  expect((await engine.run(payer, 'go')).status).toBe('completed');
}
