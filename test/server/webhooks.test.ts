import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { webhooks } from '../../src/server/index.ts';
import { refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

interface Told {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A receiver. `answer`: the status of each request, by its number from 1; a text is where it redirects to; without one it does not answer. */
async function receiver(answer: (n: number) => number | string | undefined = () => 200) {
  const told: Told[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    told.push({ headers: request.headers, body });
    const status = answer(told.length);
    if (typeof status === 'string') response.writeHead(302, { location: status }).end();
    else if (status !== undefined) response.writeHead(status).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, told };
}

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

describe('a message', () => {
  test('is signed, so that its receiver can tell who sent it, and which one it is', async () => {
    const { origin, told } = await receiver((n) => (n === 1 ? 503 : 204));
    const sent = await webhooks({ allow: [origin] }).send({ url: `${origin}/hook`, body: '{"a":1}', secret, headers: { 'x-mine': 'yes' } });
    expect(sent).toEqual({ ok: true, value: 204, attempts: 2 });
    expect(told).toHaveLength(2);
    for (const { headers, body } of told) {
      expect(body).toBe('{"a":1}');
      expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-mine': 'yes', 'webhook-id': told[0]?.headers['webhook-id'] });
      const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
      const expected = createHmac('sha256', Buffer.alloc(32, 7)).update(signed).digest('base64');
      expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    }
  });

  test('with a secret that is too short is not sent', async () => {
    const { origin, told } = await receiver();
    await refused('CONFIG_INVALID', webhooks({ allow: [origin] }).send({ url: origin, body: '', secret: 'short' }));
    expect(told).toEqual([]);
  });

  test.each([
    [400, 1, 'VALIDATION'],
    [410, 1, 'NOT_FOUND'],
    [429, 3, 'THROTTLING'],
    [500, 3, 'INTERNAL_ERROR'],
  ])('that is answered %i is sent %i times', async (status, times, code) => {
    const { origin, told } = await receiver(() => status);
    const sent = await webhooks({ allow: [origin] }).send({ url: origin, body: '{}' });
    expect(sent).toMatchObject({ ok: false, error: { code, attempts: times, message: expect.stringContaining(`HTTP ${status}`) } });
    expect(told).toHaveLength(times);
  });

  test('that is redirected goes no further', async () => {
    const secretPlace = await receiver();
    const { origin, told } = await receiver(() => secretPlace.origin);
    const sent = await webhooks({ allow: [origin, secretPlace.origin] }).send({ url: origin, body: '{}' });
    expect(sent).toMatchObject({ ok: false, error: { code: 'REDIRECTED', message: 'HTTP 302', attempts: 1 } });
    expect([told.length, secretPlace.told.length]).toEqual([1, 0]);
  });

  test('that gets no answer is given up, and sent again', async () => {
    const { origin, told } = await receiver((n) => (n === 1 ? undefined : 200));
    expect(await webhooks({ allow: [origin], timeout: 50 }).send({ url: origin, body: '{}' })).toMatchObject({ ok: true });
    expect(told.length).toBeGreaterThan(1);
  });

  test('is given up when it is told to', async () => {
    const asked = deferred();
    const { origin } = await receiver(() => void asked.resolve());
    const stop = new AbortController();
    const sending = webhooks({ allow: [origin], timeout: 60_000 }).send({ url: origin, body: '{}', signal: stop.signal });
    await asked.promise;
    stop.abort();
    expect(await sending).toMatchObject({ ok: false, cancelled: true });
  });
});

describe('an address', () => {
  test.each([
    'http://example.com/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://[::1]/',
    'https://[::ffff:169.254.169.254]/',
    'https://[fd00::1]/',
    'https://169.254.169.254/latest/meta-data',
    'https://10.0.0.1/',
    'https://localhost/',
    'https://localhost./',
    'https://a.localhost/',
    'https://user:pass@example.com/',
    'file:///etc/passwd',
    'rubbish',
  ])('%s is refused, and not connected to', async (url) => {
    const { problem, send } = webhooks();
    expect(problem(url)).toMatch(/webhook/i);
    expect(await send({ url, body: '{}' })).toMatchObject({
      ok: false,
      error: { code: 'ADDRESS_REFUSED', outcome: 'not-run', retryable: false },
    });
  });

  test('of the public web, or one that is allowed, may be called', () => {
    expect(webhooks().problem('https://example.com/hook')).toBeUndefined();
    const { problem } = webhooks({ allow: ['http://127.0.0.1:9000'] });
    expect(problem('http://127.0.0.1:9000/hook')).toBeUndefined();
    expect(problem('http://127.0.0.1:9001/hook')).toBe('A webhook is a public https address.');
  });

  test.each([['text'], [[7]], [['no address']]])('allow: %j is refused', async (allow) => {
    await refused('CONFIG_INVALID', () => webhooks({ allow: allow as never }));
  });
});
