/** What a server sends is counted before it is used. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LARGEST_MESSAGE } from '../../src/adapters/mcp/fetch.ts';
import type { McpOptions } from '../../src/adapters/mcp/index.ts';
import { listTools, MOST_LISTED } from '../../src/adapters/mcp/listing.ts';
import { serveHttp } from './http.ts';
import { using } from './support.ts';

const tool = { name: 'big', inputSchema: { type: 'object' as const } };
const piece = 'x'.repeat(1024 * 1024);

/** A server by hand: `call` answers tools/call, and counts what it could send. */
async function rawServer(call: (res: ServerResponse, id: number, req: IncomingMessage) => Promise<void> | void) {
  const http = createServer(async (req, res) => {
    let text = '';
    for await (const chunk of req) text += chunk;
    const asked = text === '' ? undefined : JSON.parse(text);
    const answer = (result: object) => {
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: asked.id, result }));
    };
    if (req.method === 'GET') return void res.writeHead(405).end();
    if (asked?.method === 'initialize')
      return answer({
        protocolVersion: asked.params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: 'x', version: '1' },
      });
    if (asked?.method === 'tools/list') return answer({ tools: [tool] });
    if (asked?.method === 'tools/call') return call(res, asked.id, req);
    res.writeHead(202).end();
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
}

/** Writes 100 MB, or as much as is taken. @returns megabytes. */
async function flood(res: ServerResponse, each: string): Promise<number> {
  res.setMaxListeners(0);
  let sent = 0;
  for (; sent < 100 && !res.destroyed; sent++) if (!res.write(each)) await Promise.race([once(res, 'drain'), once(res, 'close')]);
  return sent;
}

describe('a message that is too large is not read completely', () => {
  it.each(['application/json', 'text/event-stream'])('as %s', async (type) => {
    let sent = Promise.resolve(0);
    let calls = 0;
    const url = await rawServer(async (res, id) => {
      if (++calls > 1)
        return void res
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'small' }] } }));
      res.writeHead(200, { 'content-type': type });
      res.write(`${type === 'text/event-stream' ? 'data: ' : ''}{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"`);
      sent = flood(res, piece);
      await sent;
    });
    await using({ name: 'x', url }, async ({ call }) => {
      await expect(call('big')).rejects.toMatchObject({
        code: 'MCP_RESULT_TOO_LARGE',
        outcome: 'unknown',
        retryable: false,
        message: expect.stringContaining(`more than ${LARGEST_MESSAGE} bytes`),
      });
      expect(await sent).toBeLessThan(100);
      // the next call is none the worse
      expect(await call('big')).toBe('small');
    });
  });

  it('as a line of a child process', () => {
    const code = `const out = (m) => process.stdout.write(JSON.stringify(m) + '\\n'); let text = '';
      process.stdin.on('data', (c) => { text += c; for (let i; (i = text.indexOf('\\n')) >= 0; ) { const m = JSON.parse(text.slice(0, i)); text = text.slice(i + 1);
        if (m.method === 'initialize') out({ jsonrpc: '2.0', id: m.id, result: { protocolVersion: m.params.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } } });
        if (m.method === 'tools/list') out({ jsonrpc: '2.0', id: m.id, result: { tools: [${JSON.stringify(tool)}] } });
        if (m.method === 'tools/call') { process.stdout.on('error', () => process.exit(0)); for (let i = 0; i < 40; i++) process.stdout.write('x'.repeat(1024 * 1024)); } } });
      process.stdin.on('end', () => process.exit(0));`;
    return using({ name: 'x', command: process.execPath, args: ['-e', code] }, async ({ call, list }) => {
      await expect(call('big')).rejects.toMatchObject({ code: 'MCP_RESULT_TOO_LARGE', outcome: 'unknown' });
      expect(await list()).toHaveLength(1);
    });
  });

  it('but many small ones on one stream are', async () => {
    const url = await rawServer(async (res, id) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      const event = `event: message\r\ndata: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { data: piece } })}\r\n\r\n`;
      for (let i = 0; i < 20; i++) {
        // also where the empty line comes in pieces
        res.write(event.slice(0, -1));
        res.write('\n');
      }
      res.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'done' }] } })}\n\n`);
    });
    await using({ name: 'x', url }, async ({ call }) => expect(await call('big')).toBe('done'));
  });
});

describe('a listing that does not end', () => {
  const page = (n: number) => [{ ...tool, name: `t${n}` }];

  it('times out, however fast each page is', async () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    onTestFinished(() => clock.mockRestore());
    const left: number[] = [];
    const slow = async ({ cursor = '0' }, ms: number) => {
      left.push(ms);
      clock.mockReturnValue(Number(cursor) * 1_500 + 1_500);
      return { tools: page(Number(cursor)), nextCursor: String(Number(cursor) + 1) };
    };
    await expect(listTools(slow, 3_200)).rejects.toMatchObject({ name: 'Unanswered', late: true });
    expect(left).toEqual([3_200, 1_700, 200]);
  });

  it.each<[string, (n: number) => { tools: ReturnType<typeof page>; nextCursor: string }, number]>([
    ['lead back', (n) => ({ tools: page(n), nextCursor: String(n % 3) }), 4],
    ['more than 100 pages', (n) => ({ tools: page(n), nextCursor: `n${n}` }), 100],
    ['more than 10000 tools', (n) => ({ tools: Array.from({ length: 3_000 }, () => tool), nextCursor: `n${n}` }), 10_000],
    [
      `more than ${MOST_LISTED.chars} characters`,
      (n) => ({ tools: [{ ...tool, description: 'x'.repeat(6_000_000) } as never], nextCursor: `n${n}` }),
      2,
    ],
  ])('is cut off where its pages %s, and says so', async (why, answer, tools) => {
    let n = 0;
    const listed = await listTools(async () => answer(n++), 30_000);
    expect(listed.tools).toHaveLength(tools);
    expect(listed.cut).toContain(why);
  });

  it('is told of in a warning', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warned.mockRestore());
    const server = await serveHttp();
    onTestFinished(() => server.close());
    const endless: McpOptions = { name: 'endless', url: server.url };
    server.endless = true;
    await using(endless, async ({ tools }) => expect(tools.length).toBeGreaterThan(0));
    expect(warned.mock.calls).toEqual([[expect.stringContaining('its pages lead back'), 'RondoWarning']]);
  });
});

describe('headers', () => {
  it('are asked for at each request, and once more after a 401', async () => {
    const server = await serveHttp();
    onTestFinished(() => server.close());
    let token = 't1';
    const asked: string[] = [];
    const headers = async () => {
      asked.push(token);
      return { authorization: `Bearer ${token}` };
    };
    const valid = new Set(['Bearer t1']);
    server.refuse = (req) => (valid.has(String(req.headers.authorization)) ? undefined : 401);
    await using({ name: 'x', url: server.url, headers }, async ({ call }) => {
      expect(await call('echo', { text: 'a' })).toBe('a');
      // renewed before it was refused
      token = 't2';
      valid.add('Bearer t2');
      valid.delete('Bearer t1');
      expect(await call('echo', { text: 'b' })).toBe('b');
      // refused, and renewed then
      valid.clear();
      valid.add('Bearer t3');
      server.refused = () => {
        token = 't3';
      };
      expect(await call('echo', { text: 'c' })).toBe('c');
      // refused for good: told as such, and not asked for ever
      valid.clear();
      await expect(call('echo', { text: 'd' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED', outcome: 'failed' });
    });
  });

  it('are those of a fetch that signs each request, which has its body and its other headers', async () => {
    const server = await serveHttp();
    onTestFinished(() => server.close());
    server.refuse = ({ headers, method }) =>
      (method === 'POST' ? /^Bearer t1 \{/ : /^Bearer t1/).test(String(headers['x-signed'])) ? undefined : 403;
    const signing = (url: string | URL, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      headers.set('x-signed', `${headers.get('authorization')} ${init.body ?? ''}`);
      return fetch(url, { ...init, headers });
    };
    await using({ name: 'x', url: server.url, headers: { authorization: 'Bearer t1' }, fetch: signing }, async ({ call }) => {
      expect(await call('echo', { text: 'a' })).toBe('a');
    });
    expect(server.seen.every(({ headers }) => headers['x-signed'] !== undefined)).toBe(true);
  });

  it('that a function makes are masked in what the server says', async () => {
    const server = await serveHttp();
    onTestFinished(() => server.close());
    const headers = () => ({ authorization: 'Bearer 8d1c7f20be' });
    await using({ name: 'x', url: server.url, headers }, async ({ call }) => {
      expect(await call('echo', { text: 'you are 8d1c7f20be' })).toBe('you are [secret authorization]');
    });
  });

  it('that cannot be obtained fail the call, which did not run', async () => {
    const server = await serveHttp();
    onTestFinished(() => server.close());
    let down = false;
    const headers = () => {
      if (down) throw new Error('the vault is sealed: key hunter2');
      return { authorization: 'x' };
    };
    await using({ name: 'x', url: server.url, headers }, async ({ call }) => {
      down = true;
      const error = await call('echo', { text: 'a' }).catch((e) => e);
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', outcome: 'not-run', retryable: true });
      expect(error.message).not.toContain('hunter2');
      down = false;
      expect(await call('echo', { text: 'a' })).toBe('a');
    });
  });
});
