import { Webhook } from 'standardwebhooks';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Engine, type Journal, memoryJournal, RondoError } from '../../src/index.ts';
import { eventHandler } from '../../src/server/index.ts';
import { around } from '../kit/journals.ts';
import { refused } from '../kit/runs.ts';
import { deferred, eventually, settle } from '../kit/time.ts';

const SECRET = 'a secret of at least 24 bytes';
/** The headers that the kept library signs with. */
const signature = (secret: string, id: string, body: string, now = Date.now()): Record<string, string> => ({
  'webhook-id': id,
  'webhook-timestamp': String(Math.floor(now / 1_000)),
  'webhook-signature': new Webhook(secret, secret.startsWith('whsec_') ? {} : { format: 'raw' }).sign(id, new Date(now), body),
});
const by = { id: 'mail', tenant: 'acme' };
const said = JSON.stringify({ event: 'reply', key: 't1', data: { text: 'hi' } });

function made(journal: Journal = memoryJournal()) {
  const engine = new Engine({ journal });
  const handle = eventHandler(engine, { secrets: [SECRET, `old ${SECRET}`], by });
  const post = async (body: string, headers: Record<string, string>) => {
    const url = 'http://localhost/events';
    const answer = await handle(new Request(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } }));
    return { status: answer.status, body: (await answer.json()) as { [key: string]: unknown } };
  };
  return { engine, handle, post };
}

test('a signed message becomes an event of the configured tenant, and the same message again has no effect', async () => {
  const { engine, post } = made();
  for (let i = 0; i < 2; i++)
    expect(await post(said, signature(SECRET, 'msg_1', said))).toEqual({ status: 200, body: { id: 'msg_1', state: 'waiting' } });
  expect(await engine.events({ by })).toMatchObject([{ id: 'msg_1', event: 'reply', key: 't1', data: { text: 'hi' }, by: 'mail' }]);
  expect(await engine.events({ by: { id: 'x' } })).toEqual([]);
  const other = said.replace('hi', 'ho');
  expect((await post(other, signature(SECRET, 'msg_1', other))).status).toBe(409);
});

test('is answered once the event is in the store, and the sender is told to come again where it cannot be written', async () => {
  const inner = memoryJournal();
  const [first, written] = [deferred(), deferred()];
  const inbox = inner.inbox as NonNullable<Journal['inbox']>;
  const before = [() => first.promise, () => written.promise];
  const journal = around(inner, { inbox: { ...inbox, signal: async (event) => (await before.shift()?.(), inbox.signal(event)) } });
  const { engine, post } = made(journal);
  const refusal = post(said, signature(SECRET, 'msg_1', said));
  first.reject(new RondoError('JOURNAL_UNAVAILABLE', 'the disk is full'));
  expect(await refusal).toMatchObject({ status: 503, body: { error: { code: 'JOURNAL_UNAVAILABLE' } } });
  expect(await engine.events({ by })).toEqual([]);

  const answered = vi.fn();
  const again = post(said, signature(SECRET, 'msg_1', said)).then((answer) => (answered(), answer));
  await settle();
  expect(answered).not.toHaveBeenCalled();
  written.resolve();
  expect(await again).toEqual({ status: 200, body: { id: 'msg_1', state: 'waiting' } });
  expect(await engine.events({ by })).toHaveLength(1);
});

test('the second secret, and one of several signatures, are enough', async () => {
  const { post } = made();
  expect((await post(said, signature(`old ${SECRET}`, 'msg_1', said))).status).toBe(200);
  const signed = signature(SECRET, 'msg_2', said);
  const several = { ...signed, 'webhook-signature': `v1,AAAA ${signed['webhook-signature']}` };
  expect((await post(said, several)).status).toBe(200);
});

test.each<[string, (signed: Record<string, string>) => Record<string, string>]>([
  ['no headers', () => ({})],
  ['another secret', () => signature(`another ${SECRET}`, 'msg_1', said)],
  ['another body', () => signature(SECRET, 'msg_1', `${said} `)],
  ['another id', (signed) => ({ ...signed, 'webhook-id': 'msg_2' })],
  ['another time', (signed) => ({ ...signed, 'webhook-timestamp': String(Number(signed['webhook-timestamp']) + 1) })],
  ['an old time', () => signature(SECRET, 'msg_1', said, Date.now() - 301_000)],
  ['a time to come', () => signature(SECRET, 'msg_1', said, Date.now() + 302_000)],
  ['a time that is none', (signed) => ({ ...signed, 'webhook-timestamp': 'now' })],
])('%s: SIGNATURE_INVALID, and nothing is written', async (_, headers) => {
  const { engine, post } = made();
  const answer = await post(said, headers(signature(SECRET, 'msg_1', said)));
  expect(answer.status).toBe(401);
  expect(JSON.stringify(answer.body)).toContain('SIGNATURE_INVALID');
  expect(await engine.events({ by })).toEqual([]);
});

test('a secret of whsec_ is the one that the library knows', async () => {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const handle = eventHandler(new Engine(), { secrets: [secret], by });
  const headers = { 'content-type': 'application/json', ...signature(secret, 'msg_1', said) };
  expect((await handle(new Request('http://localhost/events', { method: 'POST', body: said, headers }))).status).toBe(200);
});

test('without the package the sender is told to come again, and the operator what to install', async () => {
  vi.doMock('standardwebhooks', () => {
    throw new Error('it is not there');
  });
  vi.resetModules();
  onTestFinished(() => {
    vi.doUnmock('standardwebhooks');
    vi.resetModules();
  });
  const { eventHandler: handler, webhooks } = await import('../../src/server/index.ts');
  const told: string[] = [];
  const warned = (warning: Error) => void told.push(warning.message);
  process.on('warning', warned);
  onTestFinished(() => void process.off('warning', warned));
  const engine = new Engine();
  const headers = { 'content-type': 'application/json', ...signature(SECRET, 'msg_1', said) };
  const request = new Request('http://localhost/events', { method: 'POST', body: said, headers });
  const answer = await handler(engine, { secrets: [SECRET], by })(request);
  expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toEqual([503, 'UNAVAILABLE']);
  expect(await engine.events({ by })).toEqual([]);
  await eventually(() => expect(told.join()).toContain('npm install standardwebhooks'));
  await expect(webhooks().send({ url: 'https://example.com/', body: said, secret: SECRET })).rejects.toThrow(
    'npm install standardwebhooks',
  );
});

test('a body that is not an event is refused, and so is a bad configuration', async () => {
  const { engine, handle, post } = made();
  for (const body of ['{', '[]', '{}', '{"event":"e"}']) expect((await post(body, signature(SECRET, 'm', body))).status, body).toBe(400);
  expect((await handle(new Request('http://localhost/events'))).status).toBe(405);
  await refused('CONFIG_INVALID', () => eventHandler(engine, { secrets: ['short'], by }));
  for (const odd of ['whsec_', 'whsec_no base64 at all, but long enough', 7])
    await refused('CONFIG_INVALID', () => eventHandler(engine, { secrets: [odd as string], by }));
  await refused('CONFIG_INVALID', () => eventHandler(engine, { secrets: [] as never, by }));
  await refused('CONFIG_INVALID', () => eventHandler(engine, { secrets: [SECRET], by: {} as never }));
});
