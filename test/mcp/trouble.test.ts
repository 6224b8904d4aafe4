import { spawnSync } from 'node:child_process';
import { createServer, request as httpRequest, type ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { callError } from '../../src/adapters/mcp/failure.ts';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { eventually } from '../kit/time.ts';
import { serveHttp } from './http.ts';
import { alive, stdioServer, using } from './support.ts';

const open = (o: Parameters<typeof mcpTools>[0], signal = new AbortController().signal) => mcpTools(o).open({ signal });
const urlOf = (source: string) => new URL(`../../src/${source}`, import.meta.url).href;

/** Runs a program where the packages of MCP are not installed. */
function withoutSdk(program: string): { stdout: string; stderr: string } {
  const block = `import { registerHooks } from 'node:module';
    registerHooks({ resolve(name, context, next) {
      if (name.startsWith('@modelcontextprotocol')) throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context); } });`;
  const hooks = `data:text/javascript,${encodeURIComponent(block)}`;
  return spawnSync(process.execPath, ['--import', hooks, '--input-type=module', '-e', program], { encoding: 'utf8' });
}
const script = (code: string) => ({ name: 'bad', command: process.execPath, args: ['-e', code] });

describe('a server that does not serve', () => {
  it('is not there', async () => {
    const refused = { code: 'CONFIG_INVALID', message: expect.stringContaining('cannot run "no-such-program-here" (ENOENT)') };
    await expect(open({ command: 'no-such-program-here' })).rejects.toMatchObject(refused);
  });

  it('cannot be reached: the message has the address and the cause, and nothing that may be secret', async () => {
    const closed = createServer();
    await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
    const { port } = closed.address() as { port: number };
    await new Promise((done) => closed.close(done));
    for (const protocol of ['2025-11-25', 'auto'] as const) {
      const error = await open({ url: `http://127.0.0.1:${port}/tools/mcp?key=sesame`, protocol }).catch((e) => e);
      expect(error).toMatchObject({ code: 'MCP_UNAVAILABLE', outcome: 'not-run', retryable: true });
      expect(error.message).toContain(`(http://127.0.0.1:${port}/tools/mcp) did not start: `);
      expect(error.message).toMatch(/fetch failed \(ECONNREFUSED\)\.$/);
      expect(error.message).not.toContain('sesame');
    }
  });

  it('exits: its last words are in the message, the values of its env are not', async () => {
    const code = 'console.error("one\\ntwo"); console.error("key is " + process.env.API_KEY); process.exit(3)';
    const error = await open({ ...script(code), args: ['-e', code, '--', '--token', 'sesame-1'], env: { API_KEY: 'sesame-2' } }).catch(
      (e) => e,
    );
    expect(error).toMatchObject({ code: 'MCP_UNAVAILABLE', outcome: 'not-run', retryable: true });
    expect(error.message).toContain('"bad"');
    expect(error.message).toContain(process.execPath);
    expect(error.message).toContain('it ended');
    expect(error.message).toMatch(/stderr:\none\ntwo\nkey is \[secret API_KEY\]$/);
    expect(error.message).not.toContain('sesame');
  });

  it('hangs: an error after startTimeout, and no process left', async () => {
    const hang = 'process.on("SIGTERM", () => {}); console.error(process.pid); setInterval(() => {}, 1000)';
    const error = await open({ ...script(hang), startTimeout: 3_000 }).catch((e) => e);
    expect(error).toMatchObject({ code: 'MCP_UNAVAILABLE', message: expect.stringContaining('did not answer in time') });
    const pid = Number(error.message.match(/(\d+)\s*$/)[1]);
    expect(pid).toBeGreaterThan(1);
    expect(alive(pid)).toBe(false);
  });

  it('speaks something else', async () => {
    const error = await open({ ...script('console.log("Welcome!"); setInterval(() => {}, 1000)'), startTimeout: 3_000 }).catch((e) => e);
    expect(error).toMatchObject({ code: 'MCP_UNAVAILABLE', message: expect.stringMatching(/sent something that is not MCP \(.*Welcome/) });
  });

  it('is given up when the run is', async () => {
    const stop = new AbortController();
    const opening = open(script('setInterval(() => {}, 1000)'), stop.signal);
    stop.abort(new Error('enough'));
    await expect(opening).rejects.toThrow('enough');
  });

  it('redirects: to its own origin it is followed, and another one gets no request, with or without the headers', async () => {
    const other = await serveHttp();
    const there = await serveHttp();
    const seen: (string | undefined)[] = [];
    const moved = createServer((req, res) => {
      seen.push(req.headers['x-api-key'] as string | undefined);
      if (req.url === '/elsewhere') return res.writeHead(307, { location: other.url }).end();
      if (req.url === '/see-other') return res.writeHead(303, { location: '/mcp' }).end();
      if (req.url === '/mcp') return res.writeHead(308, { location: '/mcp/' }).end();
      const onwards = httpRequest(there.url, { method: req.method, headers: req.headers }, (from) => {
        res.writeHead(from.statusCode ?? 500, from.headers);
        from.pipe(res);
      });
      req.pipe(onwards);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => moved.once('listening', resolve));
    const origin = `http://127.0.0.1:${(moved.address() as { port: number }).port}`;
    const headers = { 'x-api-key': 'k-1' };
    for (const [path, message] of [
      ['/elsewhere', 'Use its address as it is now'],
      ['/see-other', 'answered HTTP 303, by which a call would not be sent again'],
    ] as const)
      await expect(open({ url: `${origin}${path}`, headers })).rejects.toMatchObject({
        code: 'MCP_UNAVAILABLE',
        message: expect.stringContaining(message),
      });
    expect(other.seen).toEqual([]);
    const opened = await open({ url: `${origin}/mcp`, headers });
    expect(there.seen.length).toBeGreaterThan(0);
    await opened.close?.();
    expect(seen.filter((key) => key !== 'k-1')).toEqual([]);
    moved.closeAllConnections();
    await Promise.all([new Promise((resolve) => moved.close(resolve)), other.close(), there.close()]);
  });

  it('is a web page', async () => {
    const page = createServer((_, res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<html>')).listen(0, '127.0.0.1');
    await new Promise((resolve) => page.once('listening', resolve));
    const { port } = page.address() as { port: number };
    const message = expect.stringMatching(/http:\/\/127.0.0.1:\d+\/mcp\).*Unexpected content type: text\/html/);
    await expect(open({ url: `http://127.0.0.1:${port}/mcp?key=sesame` })).rejects.toMatchObject({ code: 'MCP_UNAVAILABLE', message });
    await new Promise((resolve) => page.close(resolve));
    await expect(open({ url: `http://127.0.0.1:${port}/mcp` })).rejects.toMatchObject({ code: 'MCP_UNAVAILABLE', outcome: 'not-run' });
  });

  it('serves nothing without the SDK: clients are told to come again, and the operator what to install', () => {
    const use = `const { mcpHandler } = await import(${JSON.stringify(urlOf('adapters/mcp/index.ts'))});
      const { agent, Engine } = await import(${JSON.stringify(urlOf('index.ts'))});
      const { scripted } = await import(${JSON.stringify(urlOf('testing/index.ts'))});
      const handler = mcpHandler(new Engine(), agent({ name: 'a', instructions: '', model: scripted([]) }));
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
      const answer = await handler(new Request('http://127.0.0.1/mcp', { method: 'POST', headers, body }));
      console.log(answer.status, await answer.text());`;
    const { stdout, stderr } = withoutSdk(use);
    expect(stdout).toContain('503 {"error":{"code":"UNAVAILABLE"');
    expect(stdout).not.toContain('npm');
    expect(stderr).toMatch(/RondoWarning: mcpHandler\(\): .*npm install @modelcontextprotocol/);
  });

  it('needs the SDK, and says so where it is missing', () => {
    const use = `const { mcpTools } = await import(${JSON.stringify(urlOf('adapters/mcp/index.ts'))});
      await mcpTools({ command: 'node' }).open({ signal: new AbortController().signal }).catch((e) => console.log(e.code, e.message));`;
    const { stdout, stderr } = withoutSdk(use);
    expect(`${stdout}${stderr}`).toContain('CONFIG_INVALID mcpTools() needs the MCP SDK: npm install @modelcontextprotocol/sdk');
  });
});

describe('a server that goes away', () => {
  it('in the middle of a call: unknown, retryable, and restarted for the retry', () =>
    using(stdioServer, async ({ call, list, tools }) => {
      const before = await call('pid');
      const lost = await call('die').catch((e) => e);
      expect(lost).toMatchObject({ code: 'NETWORK', outcome: 'unknown', retryable: true });
      // what a server writes to stderr is for people: this message goes to a model
      expect(lost.message).not.toContain('fixture dies');
      const after = await call('pid');
      expect(after).not.toBe(before);
      expect(await list()).not.toBe(tools);
    }));

  it('over HTTP, in the middle of a call: the call does not wait for ever', async () => {
    const http = await serveHttp();
    try {
      await using({ url: http.url }, async ({ call }) => {
        await expect(call('die')).rejects.toMatchObject({ code: 'NETWORK', outcome: 'unknown', retryable: true });
        expect(await call('echo', { text: 'back' })).toBe('back');
      });
    } finally {
      await http.close();
    }
  });

  it.each<[string, (res: ServerResponse) => void]>([
    ['before its headers', () => undefined],
    ['in the stream of its answer', (res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hi\n\n')],
  ])('over HTTP, and hangs %s: no connection is kept for a call that was given up', async (_, answer) => {
    const http = await serveHttp();
    try {
      await using({ url: http.url }, async ({ call }) => {
        let [asked, left] = [0, 0];
        http.answer = (res) => {
          asked++;
          res.once('close', () => left++);
          answer(res);
        };
        const stop = new AbortController();
        const calling = call('echo', { text: 'x' }, { signal: stop.signal }).catch((e) => e);
        await eventually(() => expect(asked).toBe(1));
        stop.abort(new Error('too late'));
        expect(await calling).toMatchObject({ code: 'ABORTED' });
        await eventually(() => expect(left).toBe(1));
        expect(await call('echo', { text: 'back' })).toBe('back');
      });
    } finally {
      await http.close();
    }
  });

  it.each<[string, (res: ServerResponse) => void]>([
    ['ends', (res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).end(': no answer\n\n')],
    ['breaks', (res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).write(': half an answer', () => res.destroy())],
  ])('over HTTP, and the stream of the answer %s: the call does not wait for ever', async (_, answer) => {
    const http = await serveHttp();
    try {
      await using({ url: http.url }, async ({ call }) => {
        http.answer = answer;
        await expect(call('echo', { text: 'x' })).rejects.toMatchObject({ code: 'NETWORK', outcome: 'unknown', retryable: true });
        expect(await call('echo', { text: 'back' })).toBe('back');
      });
    } finally {
      await http.close();
    }
  });

  it('over HTTP, in a stream that could be taken up again, but no one is there', async () => {
    const http = await serveHttp();
    await using({ url: http.url }, async ({ call }) => {
      http.answer = (res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 1\nretry: 10\ndata: \n\n');
        void http.close();
      };
      await expect(call('echo', { text: 'x' })).rejects.toMatchObject({ code: 'NETWORK', outcome: 'unknown', retryable: true });
    });
  });

  it('over HTTP, and restarted without our session', async () => {
    const http = await serveHttp();
    try {
      await using({ url: http.url, headers: { authorization: 'Bearer abc' } }, async ({ call }) => {
        http.restart();
        await expect(call('echo', { text: 'x' })).rejects.toMatchObject({ code: 'MCP_SESSION_LOST', outcome: 'not-run', retryable: true });
        expect(await call('echo', { text: 'y' })).toBe('y');
        expect(http.sessions.size).toBe(1);
      });
      expect(http.seen.every(({ headers }) => headers.authorization === 'Bearer abc')).toBe(true);
      expect(http.seen.map(({ method }) => method)).toContain('DELETE');
    } finally {
      await http.close();
    }
  });

  it('over HTTP, altogether', async () => {
    const http = await serveHttp();
    await using({ url: http.url }, async ({ call }) => {
      await http.close();
      // the first may still go out on a socket whose end has not been seen, and then no one knows
      await expect(call('echo', { text: 'x' })).rejects.toMatchObject({ code: 'NETWORK', retryable: true });
      await expect(call('echo', { text: 'x' })).rejects.toMatchObject({ code: 'MCP_UNAVAILABLE', outcome: 'not-run', retryable: true });
      const back = await serveHttp(http.port);
      expect(await call('echo', { text: 'z' })).toBe('z');
      await back.close();
    });
  });

  it('knows a call that was never sent from one that may have been', () => {
    const fetchFailed = (code: string) => Object.assign(new TypeError('fetch failed'), { cause: { code } });
    const asked = { server: 'x', what: 't', mask: (text: string) => text };
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT'])
      expect(callError(fetchFailed(code), asked)).toMatchObject({
        failure: { code: 'NETWORK', outcome: 'not-run', retryable: true },
        broken: true,
      });
    for (const code of ['ECONNRESET', 'UND_ERR_SOCKET'])
      expect(callError(fetchFailed(code), asked)).toMatchObject({
        failure: { code: 'NETWORK', outcome: 'unknown', retryable: true },
        broken: true,
      });
  });

  it.each([
    [401, { code: 'UNAUTHENTICATED', outcome: 'failed', retryable: false }],
    [403, { code: 'ACCESS_DENIED', outcome: 'failed', retryable: false }],
    [429, { code: 'THROTTLING', outcome: 'not-run', retryable: true }],
    [503, { code: 'SERVICE_UNAVAILABLE', outcome: 'unknown', retryable: true }],
  ])('answers HTTP %i', async (status, expected) => {
    const http = await serveHttp();
    try {
      await using({ url: http.url }, async ({ call }) => {
        http.answer = (res) => res.writeHead(status).end('secret page');
        const error = await call('echo', { text: 'x' }).catch((e) => e);
        expect(error).toMatchObject(expected);
        expect(error.message).not.toContain('secret page');
      });
    } finally {
      await http.close();
    }
  });
});

describe('close()', () => {
  it('does not wait for a server that hangs when it is connected to again', async () => {
    const http = await serveHttp();
    try {
      await using({ url: http.url }, async ({ call, close }) => {
        http.restart();
        await call('pid').catch(() => undefined);
        const connecting = new Promise<void>((resolve) => {
          http.answer = () => resolve();
        });
        const hanging = call('pid').catch((e) => e);
        await connecting;
        await close();
        expect(await hanging).toBeInstanceOf(Error);
      });
    } finally {
      await http.close();
    }
  });

  it('ends the process, and refuses calls after it', async () => {
    let pid = 0;
    let late: Promise<unknown> | undefined;
    await using(stdioServer, async ({ call, close }) => {
      pid = Number(await call('pid'));
      await close();
      late = call('pid').catch((e) => e);
    });
    expect(pid).toBeGreaterThan(1);
    expect(alive(pid)).toBe(false);
    expect(await late).toMatchObject({ code: 'NETWORK', outcome: 'not-run' });
  });
});
