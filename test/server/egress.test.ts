/** publicFetch(): what it refuses to connect to, whatever the address looks like, resolves to, or redirects to. */
import * as http from 'node:http';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as net from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { expect, onTestFinished, test, vi } from 'vitest';
import { publicFetch } from '../../src/server/index.ts';

const dns = vi.hoisted(() => ({ asked: [] as string[], addresses: [] as { address: string; family: number }[] }));
vi.mock('node:dns', async (original) => ({
  ...(await original<typeof import('node:dns')>()),
  lookup: (host: string, _: object, done: (error: Error | null, found: typeof dns.addresses) => void) => {
    dns.asked.push(host);
    done(null, dns.addresses);
  },
}));

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

async function server(answer: (response: ServerResponse, request: Seen) => void = (response) => void response.end('inside')) {
  const seen: Seen[] = [];
  const listening = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { method, url, headers } = request;
    seen.push({ method, url, headers, body });
    answer(response, seen.at(-1) as Seen);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void (listening.closeAllConnections(), listening.close()));
  await new Promise((resolve) => listening.once('listening', resolve));
  const { port } = listening.address() as AddressInfo;
  return { port, seen, origin: `http://127.0.0.1:${port}` };
}

const refusal = (code = 'ADDRESS_REFUSED') => expect.objectContaining({ name: 'ToolError', code });

test('an address that is not public is refused in every spelling, and nothing is sent', async () => {
  const { port, seen, origin } = await server();
  const fetched = publicFetch();
  for (const host of [
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '127.1',
    '127.0.0.1.',
    '%31%32%37.0.0.1',
    '１２７.０.０.１',
    '0.0.0.0',
    '10.0.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[2002:7f00:1::]',
    '[fd00:ec2::254]',
    '[fe80::1]',
    'localhost',
    'a.localhost',
    'LOCALHOST.',
  ])
    await expect(fetched(`http://${host}:${port}/`), host).rejects.toEqual(refusal());
  expect(seen).toEqual([]);
  expect(await (await publicFetch({ allow: [origin] })(origin)).text()).toBe('inside');
});

test.each([
  'file:///etc/passwd',
  'gopher://example.com/',
  'data:text/plain,x',
  'http://user:word@example.com/',
  'http://[fe80::1%25eth0]/',
  'rubbish',
])('%s is refused', async (url) => {
  await expect(publicFetch()(url)).rejects.toEqual(refusal());
});

test('a name is resolved once for each connection, and refused if one of its addresses is not public', async () => {
  const { port, seen } = await server();
  dns.addresses = [
    { address: '93.184.216.34', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ];
  await expect(publicFetch()(`http://rebinds.example:${port}/`)).rejects.toEqual(refusal());
  expect(dns.asked).toEqual(['rebinds.example']);
  expect(seen).toEqual([]);
});

test('an origin that is allowed is called through the proxy of the environment, as fetch does, and no other is', async () => {
  const proxy = await server((response) => response.end('by the proxy'));
  // what Node puts there for NODE_USE_ENV_PROXY=1
  const { options } = http.globalAgent as unknown as { options: http.AgentOptions };
  options.proxyEnv = { HTTP_PROXY: proxy.origin };
  onTestFinished(() => void delete options.proxyEnv);
  dns.addresses = [{ address: '127.0.0.1', family: 4 }];
  const knows = 'setGlobalProxyFromEnv' in http;
  const url = 'http://runtime.invalid:9/invocations';
  const answer = publicFetch({ allow: ['http://runtime.invalid:9'] })(url).then((response) => response.text());
  if (knows) expect(await answer).toBe('by the proxy');
  else await expect(answer).rejects.toThrow();
  expect(proxy.seen.map((request) => request.url)).toEqual(knows ? [url] : []);
  await expect(publicFetch()('http://other.invalid/')).rejects.toEqual(refusal());
  expect(proxy.seen).toHaveLength(knows ? 1 : 0);
});

test('a redirect to what is not public is refused, and that is not called', async () => {
  const inside = await server();
  const outside = await server((response) => void response.writeHead(302, { location: `${inside.origin}/secret` }).end());
  await expect(publicFetch({ allow: [outside.origin] })(outside.origin)).rejects.toEqual(refusal());
  expect(inside.seen).toEqual([]);
  await expect(publicFetch({ allow: [outside.origin], redirects: 0 })(outside.origin)).rejects.toEqual(refusal('REDIRECTED'));
  await expect(publicFetch({ allow: [outside.origin] })(outside.origin, { redirect: 'error' })).rejects.toEqual(refusal('REDIRECTED'));
  expect((await publicFetch({ allow: [outside.origin] })(outside.origin, { redirect: 'manual' })).status).toBe(302);
});

test('redirects without an end, to no URL, and to another scheme are refused', async () => {
  const round = await server((response) => void response.writeHead(301, { location: '/again' }).end());
  await expect(publicFetch({ allow: [round.origin] })(round.origin)).rejects.toEqual(refusal('REDIRECTED'));
  expect(round.seen).toHaveLength(6);
  const strange = await server(
    (response, { url }) => void response.writeHead(302, { location: url === '/f' ? 'file:///etc/passwd' : 'http://' }).end(),
  );
  const fetched = publicFetch({ allow: [strange.origin] });
  await expect(fetched(`${strange.origin}/f`)).rejects.toEqual(refusal());
  await expect(fetched(strange.origin)).rejects.toEqual(refusal('REDIRECTED'));
});

test('another origin gets no credentials after a redirect, the same origin does', async () => {
  const other = await server();
  const one = await server((response, { url }) => {
    if (url === '/same') return void response.writeHead(307, { location: '/end' }).end();
    if (url === '/end') return void response.end();
    response.writeHead(307, { location: other.origin }).end();
  });
  const fetched = publicFetch({ allow: [one.origin, other.origin] });
  const headers = { authorization: 'Bearer t', cookie: 'c=1', 'x-api-key': 'k', accept: 'application/json', 'content-type': 'text/plain' };
  const answer = await fetched(one.origin, { method: 'POST', headers, body: 'said' });
  expect(answer).toMatchObject({ url: `${other.origin}/`, redirected: true, status: 200 });
  const [told] = other.seen;
  expect(told).toMatchObject({ method: 'POST', body: 'said', headers: { accept: 'application/json', 'content-type': 'text/plain' } });
  for (const name of ['authorization', 'cookie', 'x-api-key']) expect(told?.headers).not.toHaveProperty(name);
  await fetched(`${one.origin}/same`, { headers });
  expect(one.seen.at(-1)?.headers).toMatchObject({ authorization: 'Bearer t', 'x-api-key': 'k' });
});

test.each([
  [303, 'PUT', 'GET', ''],
  [302, 'POST', 'GET', ''],
  [302, 'PUT', 'PUT', 'said'],
  [308, 'POST', 'POST', 'said'],
])('after %i, %s becomes %s', async (status, method, then, body) => {
  const { origin, seen } = await server((response, { url }) =>
    url === '/' ? void response.writeHead(status, { location: '/there' }).end() : void response.end(),
  );
  await publicFetch({ allow: [origin] })(origin, { method, body: 'said', headers: { 'content-type': 'text/plain' } });
  expect(seen.at(-1)).toMatchObject({ url: '/there', method: then, body });
  expect(seen.at(-1)?.headers['content-type']).toBe(body ? 'text/plain' : undefined);
});

test('a body that is too large, or becomes so when it is unpacked, is read no further', async () => {
  const bomb = gzipSync(Buffer.alloc(5_000_000));
  expect(bomb.byteLength).toBeLessThan(10_000);
  const { origin } = await server((response, { url }) =>
    url === '/zip' ? void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb) : void response.end(Buffer.alloc(100_001)),
  );
  const fetched = publicFetch({ allow: [origin], maxBytes: 100_000 });
  for (const path of ['/', '/zip']) {
    const answer = await fetched(origin + path);
    await expect(answer.arrayBuffer(), path).rejects.toEqual(refusal('TOO_LARGE'));
  }
  const all = await publicFetch({ allow: [origin] })(`${origin}/zip`);
  expect([all.headers.get('content-encoding'), (await all.arrayBuffer()).byteLength]).toEqual([null, 5_000_000]);
});

test.each([204, 205, 304])('an answer of status %i has no body, and what comes all the same ends with its connection', async (status) => {
  let closed: () => void;
  const over = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const listening = net.createServer((socket) => {
    let open = true;
    const more = () => {
      if (!open) return;
      if (socket.write(`ffff\r\n${'x'.repeat(65_535)}\r\n`)) setImmediate(more);
      else socket.once('drain', more);
    };
    socket
      .on('error', () => undefined)
      .on('close', () => {
        open = false;
        closed();
      });
    socket.once('data', () => {
      socket.write(`HTTP/1.1 ${status} Said\r\ntransfer-encoding: chunked\r\n\r\n`);
      more();
    });
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void listening.close());
  const origin = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const answer = await publicFetch({ allow: [origin] })(origin);
  expect([answer.status, await answer.text()]).toEqual([status, '']);
  await over;
});

test.each([
  ['GZIP', gzipSync],
  ['deflate', deflateSync],
  ['deflate', deflateRawSync],
  ['gzip, br', (text: string) => brotliCompressSync(gzipSync(text))],
  ['identity, X-Gzip', gzipSync],
  ['gzip', () => ''],
  ['br, gzip', () => ''],
])('a body with the coding %s is undone', async (coding, compressed) => {
  const { origin } = await server((response) => void response.writeHead(200, { 'content-encoding': coding }).end(compressed('said')));
  const answer = await publicFetch({ allow: [origin] })(origin);
  expect([await answer.text(), answer.headers.get('content-encoding')]).toEqual([compressed('said') === '' ? '' : 'said', null]);
});

test('a coding that is unknown stays, and an answer to HEAD tells of a body that does not come', async () => {
  const { origin } = await server((response) => void response.writeHead(200, { 'content-encoding': 'gzip, own' }).end('as it is'));
  const answer = await publicFetch({ allow: [origin] })(origin);
  expect([await answer.text(), answer.headers.get('content-encoding')]).toEqual(['as it is', 'gzip, own']);
  const zipped = await server((response) => void response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': 9 }).end());
  const head = await publicFetch({ allow: [zipped.origin] })(zipped.origin, { method: 'HEAD' });
  expect([await head.text(), head.headers.get('content-encoding'), head.headers.get('content-length')]).toEqual(['', 'gzip', '9']);
});

test.each([
  ['its status is 700', 700, {}],
  ['its body has 6 codings', 200, { 'content-encoding': Array(6).fill('gzip').join() }],
])('an answer that cannot be read is an error of its code: %s', async (why, status, headers) => {
  const { origin } = await server((response) => void response.writeHead(status, headers).end('x'));
  const asked = publicFetch({ allow: [origin] })(origin);
  await expect(asked).rejects.toEqual(refusal('BAD_RESPONSE'));
  await expect(asked).rejects.toThrow(why);
});

test('what is aborted rejects with the reason of its signal, also in the middle of a body', async () => {
  const { origin } = await server((response, { url }) => {
    if (url === '/zip') response.writeHead(200, { 'content-encoding': 'gzip' });
    if (url !== '/silent') response.write(gzipSync('said'));
  });
  const reason = new Error('enough');
  for (const path of ['/silent', '/', '/zip']) {
    const stop = new AbortController();
    const asked = publicFetch({ allow: [origin] })(origin + path, { signal: stop.signal }).then((answer) => {
      const body = answer.text();
      stop.abort(reason);
      return body;
    });
    if (path === '/silent') stop.abort(reason);
    await expect(asked, path).rejects.toBe(reason);
  }
});

test('a server that says nothing, or stops in the middle, is given up; an aborted request ends', async () => {
  const { origin } = await server((response, { url }) => {
    if (url === '/begins') response.write('{');
  });
  const fetched = publicFetch({ allow: [origin], timeout: 50 });
  await expect(fetched(origin)).rejects.toEqual(refusal('TIMEOUT'));
  // on a slow machine it is given up before it begins
  const text = async () => (await fetched(`${origin}/begins`)).text();
  await expect(text()).rejects.toEqual(refusal('TIMEOUT'));
  const stop = new AbortController();
  const asked = publicFetch({ allow: [origin] })(origin, { signal: stop.signal });
  stop.abort();
  await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
});

test('it is a fetch: status, headers, JSON, an empty answer', async () => {
  const { origin, seen } = await server((response, { url }) =>
    url === '/none' ? void response.writeHead(204).end() : void response.writeHead(201, { 'set-cookie': ['a=1', 'b=2'] }).end('{"a":1}'),
  );
  const fetched = publicFetch({ allow: [origin] });
  const answer = await fetched(new Request(`${origin}/x`, { method: 'POST', body: '{}' }));
  expect(answer.status).toBe(201);
  expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(await answer.json()).toEqual({ a: 1 });
  expect(seen[0]).toMatchObject({ method: 'POST', body: '{}' });
  expect(await (await fetched(`${origin}/none`)).text()).toBe('');
});

test.each([
  [{ allow: 'http://127.0.0.1' }, 'list of origins'],
  [{ allow: ['nonsense'] }, 'list of origins'],
  [{ timeout: 0 }, 'timeout'],
  [{ redirects: -1 }, 'redirects'],
  [{ alow: [] }, 'Did you mean "allow"'],
])('the options %j are refused', (options, why) => {
  expect(() => publicFetch(options as object)).toThrowError(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(why) }),
  );
});

test.each([
  [
    'credentials in it',
    'https://svc:hunter2@example.com/x',
    'The address of example.com cannot be called: an address holds no credentials. Send them in a header.',
  ],
  ['no URL', 'https://exa mple/?token=hunter2', 'The address cannot be called: it is not a URL.'],
])('an address with %s is refused, and not told', async (_, address, message) => {
  const error: Error = await publicFetch()(address).then(
    () => expect.unreachable(),
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ code: 'ADDRESS_REFUSED', outcome: 'not-run', message });
});
