/** What a target sees of credentials: exactly what was configured, and never the caller's own token unless it is passed through. */
import { agent, Engine, type Identity, type Json, memoryJournal, type Tool, type ToolSource } from 'rondo';
import { gateway, lambdaTools, localIndex, type OpenApiOptions, type OutboundAuth, openApiTools, webSearch } from 'rondo/gateway';
import { consentCallback, keyEnv, localIdentity, sqliteVault } from 'rondo/identity';
import { type Handler, listen } from 'rondo/server';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Keys, verified } from '../../../src/adapters/agentcore/wire/sigv4.ts';
import { definition } from '../../../src/loop/tools/tool.ts';
import { calling, over } from '../../gateway/calls.ts';
import { entriesOf } from '../../kit/journals.ts';
import { asks, ends, refused } from '../../kit/runs.ts';
import { eventually } from '../../kit/time.ts';
import { authorizationServer, browser, CLIENT, userToken } from '../local-identity/server.ts';
import { type Received, type Reference, reference } from './reference.ts';

const KEY = 'key-4f9a+/=b2c7';
const ana = { id: 'ana', tenant: 'acme' };

const document = (parameters: object[] = []) => ({
  openapi: '3.0.3',
  info: { title: 't', version: '1' },
  paths: {
    '/items': {
      get: { operationId: 'list', parameters, responses: { 200: { description: 'ok' } } },
      post: {
        operationId: 'make',
        requestBody: { content: { 'application/json': { schema: {} } } },
        responses: { 200: { description: 'ok' } },
      },
    },
  },
});
const source = (service: Reference, credentials: OpenApiOptions['credentials'], o: Partial<OpenApiOptions> = {}) =>
  openApiTools({ document: document(), server: service.url, ...(credentials && { credentials }), ...o });
/** An identity with one key for all, which tells what it was asked for. */
function keys(token = KEY) {
  const asked: unknown[] = [];
  const identity: Identity = {
    async get({ provider, flow, scopes }) {
      asked.push({ provider, flow, scopes });
      return { token };
    },
  };
  return { identity, asked };
}

/** Everything of a request that could be a credential. */
const shownOf = ({ headers, query, url }: Received) => JSON.stringify([headers, query, url]);

test.each([
  ['a bearer', { type: 'api-key', provider: 'crm' }, (r: Received) => r.headers.authorization, `Bearer ${KEY}`],
  ['a header of its own', { type: 'api-key', provider: 'crm', name: 'X-API-Key' }, (r: Received) => r.headers['x-api-key'], KEY],
  [
    'a header with a word',
    { type: 'api-key', provider: 'crm', name: 'authorization', prefix: 'ApiKey' },
    (r: Received) => r.headers.authorization,
    `ApiKey ${KEY}`,
  ],
  ['the query', { type: 'api-key', provider: 'crm', in: 'query', name: 'key' }, (r: Received) => r.query, { key: KEY, q: 'x' }],
] as const)('a key goes into %s; it is in no output, entry or error, and no argument replaces it', async (_, credentials, of, value) => {
  const service = await reference();
  const { identity, asked } = keys();
  const parameters = [
    { name: 'q', in: 'query', schema: { type: 'string' } },
    { name: 'key', in: 'query', schema: { type: 'string' } },
    { name: 'X-API-Key', in: 'header', schema: { type: 'string' } },
  ];
  const own = source(service, credentials, { document: document(parameters) });
  const mine = { q: 'x', ...('in' in credentials ? { key: 'mine' } : 'name' in credentials ? { 'X-API-Key': 'mine' } : {}) };
  const run = { by: ana, assertion: { type: 'jwt', token: 'the-token-of-the-caller' } };
  const called = await calling(own, 'list', mine, { engine: { identity }, run });
  expect(of(service.received[0] as Received)).toEqual(value);
  expect(asked).toEqual([{ provider: 'crm', flow: 'api-key', scopes: undefined }]);
  // the model is not asked for what it cannot set
  const [offered] = await (await own.open({ signal: AbortSignal.timeout(60_000) })).list();
  const free = Object.keys(definition(offered as Tool).spec.input.properties ?? {});
  expect(free.includes('key')).toBe(!('in' in credentials));
  expect(free.includes('X-API-Key')).toBe(!('name' in credentials && credentials.name === 'X-API-Key'));
  // the service said all that it received, with the key
  expect(called.isError).toBe(false);
  expect(called.written).toContain('[secret ');
  for (const secret of [KEY, encodeURIComponent(KEY)]) expect(called.written).not.toContain(secret);
  expect(shownOf(service.received[0] as Received)).not.toContain('the-token-of-the-caller');
  service.answers.push({ status: 400, body: JSON.stringify({ yours: KEY, url: encodeURIComponent(KEY) }) });
  const failed = await calling(own, 'list', { q: 'x' }, { engine: { identity } });
  expect(failed.failure.code).toBe('VALIDATION');
  for (const secret of [KEY, encodeURIComponent(KEY)]) expect(failed.written).not.toContain(secret);
});

test('a key in the query is not replaced by an object whose fields are parameters', async () => {
  const service = await reference();
  const own = source(
    service,
    { type: 'api-key', provider: 'crm', in: 'query', name: 'key' },
    { document: document([{ name: 'filter', in: 'query', schema: { type: 'object' } }]) },
  );
  await calling(own, 'list', { filter: { key: 'mine', 'a b': 'c d' } }, { engine: { identity: keys().identity } });
  expect(service.received[0]?.query).toEqual({ key: KEY, 'a b': 'c d' });
});

test('several credentials are sent together; a key with a line break is sent nowhere, and not told', async () => {
  const service = await reference();
  const list: OutboundAuth[] = [
    { type: 'api-key', provider: 'a', name: 'x-app' },
    { type: 'api-key', provider: 'b', name: 'x-user' },
  ];
  const identity: Identity = { get: async ({ provider }) => ({ token: `token-of-${provider}` }) };
  await calling(source(service, list), 'list', {}, { engine: { identity } });
  expect(service.received[0]?.headers).toMatchObject({ 'x-app': 'token-of-a', 'x-user': 'token-of-b' });
  const broken = await calling(source(service, list), 'list', {}, { engine: { identity: keys('bad-\r\nx-admin: 1').identity } });
  expect(broken.failure).toMatchObject({ code: 'CREDENTIALS_INVALID', outcome: 'not-run' });
  expect(broken.written).not.toContain('x-admin');
  expect(service.received).toHaveLength(1);
  await refused('CONFIG_INVALID', () => source(service, [list[0] as OutboundAuth, list[0] as OutboundAuth]));
});

test("the caller's token is passed on where that is configured, for each caller their own; without one nothing is sent", async () => {
  const service = await reference();
  const own = source(service, { type: 'pass-through' });
  const {
    engine,
    agent: clerk,
    journal,
  } = over(
    own,
    Array(4)
      .fill([asks(['list', {}]), 'done'])
      .flat(),
  );
  const as = (id: string) => ({ by: { id }, assertion: { type: 'jwt', token: `the-token-of-${id}` } });
  const first = await ends(engine.run(clerk, 'go', as('ana')), 'completed');
  await ends(engine.run(clerk, 'go', as('ben')), 'completed');
  expect(service.received.map(({ headers }) => headers.authorization)).toEqual(['Bearer the-token-of-ana', 'Bearer the-token-of-ben']);
  expect(JSON.stringify(await entriesOf(journal, first.runId))).not.toContain('the-token-of-ana');
  const none = await calling(own, 'list', {});
  expect(none.failure).toMatchObject({ code: 'UNAUTHENTICATED', outcome: 'not-run' });
  expect(service.received).toHaveLength(2);
  const named = source(service, { type: 'pass-through', header: 'X-User-Token' });
  await calling(named, 'list', {}, { run: as('ana') });
  expect(service.received[2]?.headers).toMatchObject({ 'x-user-token': 'the-token-of-ana' });
});

test.each([
  ['of the process', {}],
  ['of awsCredentials() in the identity', { provider: 'aws' }],
  [
    'of a function',
    { keys: () => ({ accessKeyId: 'AKIDFUNCTION', secretAccessKey: 'secret-of-the-function', sessionToken: 'session-of-the-function' }) },
  ],
] as const)('a request is signed with the keys %s: the verifier of the wire takes it', async (_, more) => {
  const service = await reference();
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDPROCESS');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret-of-the-process');
  vi.stubEnv('AWS_SESSION_TOKEN', 'session-of-the-process');
  onTestFinished(() => void vi.unstubAllEnvs());
  const role = {
    accessKeyId: 'AKIDROLE',
    secretAccessKey: 'secret-of-the-role',
    sessionToken: 'session-of-the-role',
    expiration: new Date(Date.now() + 3_600_000),
  };
  const identity: Identity = { get: async () => ({ token: JSON.stringify(role), secrets: [role.secretAccessKey, role.sessionToken] }) };
  const own = source(service, { type: 'sigv4', service: 'execute-api', region: 'eu-central-1', ...more });
  const called = await calling(own, 'make', { body: { a: 'ü' } }, { engine: { identity } });
  expect(called.isError).toBe(false);
  const [got] = service.received as [Received];
  const known = ['process', 'role', 'function'].map(
    (of): Keys => ({
      accessKeyId: `AKID${of.toUpperCase()}`,
      secretAccessKey: `secret-of-the-${of}`,
      sessionToken: `session-of-the-${of}`,
    }),
  );
  const url = new URL(got.url, service.url);
  const request = {
    method: got.method,
    path: url.pathname,
    query: url.searchParams,
    headers: got.headers as Record<string, string>,
    body: Buffer.from('{"a":"ü"}'),
  };
  expect(verified(request, known, Date.now(), 'execute-api').region).toBe('eu-central-1');
  expect(() => verified({ ...request, body: Buffer.from('{}') }, known, Date.now(), 'execute-api')).toThrow(/signature/);
  // the service said the session token, which it received
  for (const secret of ['process', 'role', 'function'].flatMap((of) => [`secret-of-the-${of}`, `session-of-the-${of}`]))
    expect(called.written).not.toContain(secret);
});

test('without keys in the process nothing is sent', async () => {
  const service = await reference();
  const own = source(service, { type: 'sigv4', service: 'execute-api', region: 'eu-central-1' });
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, '');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null');
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { failure } = await calling(own, 'list', {});
  expect(failure.message).toMatch(/no AWS credentials/);
  expect(failure).toMatchObject({ code: 'CREDENTIALS_UNAVAILABLE', outcome: 'not-run' });
  expect(service.received).toHaveLength(0);
});

/** Real tokens, of a real authorization server in this process. */
async function world(flow: 'client' | 'user' | 'exchange', parts: { steps: number; service: Reference }) {
  let handler: Handler = async () => new Response();
  const app = await listen((request) => handler(request));
  const callback = `${app.url}/consent`;
  const server = await authorizationServer(callback);
  vi.stubEnv('TARGET_VAULT_KEY', 'ab'.repeat(32));
  const vault = sqliteVault(':memory:', keyEnv('TARGET_VAULT_KEY'));
  const identity = localIdentity({
    vault,
    callback,
    providers: { crm: { discovery: server.issuer, ...CLIENT, extraScopes: ['offline_access'] } },
  });
  const own: ToolSource = source(parts.service, { type: 'oauth', provider: 'crm', flow, scopes: ['calendar.read'] });
  const model = scripted(
    Array(parts.steps)
      .fill([asks(['list', {}]), 'done'])
      .flat(),
  );
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [own] });
  const journal = memoryJournal();
  const engine = new Engine({ journal, identity, agents: [clerk] });
  handler = consentCallback(engine, identity, { authenticate: () => ({ by: ana }), returnUrls: [callback] });
  onTestFinished(async () => {
    await engine.close();
    await vault.close();
    await app.close();
    await server.close();
    vi.unstubAllEnvs();
  });
  return { engine, clerk, server, journal, model };
}
const bearer = ({ headers }: Received) => String(headers.authorization).replace(/^Bearer /, '');

test('OAuth of the application: the token of the client, not of the caller', async () => {
  const service = await reference();
  const { engine, clerk, server } = await world('client', { steps: 1, service });
  await ends(engine.run(clerk, 'go', { by: ana, assertion: { type: 'jwt', token: userToken('ana', 2e9) } }), 'completed');
  expect(await server.whose(bearer(service.received[0] as Received))).toMatchObject({ user: undefined, scope: 'calendar.read' });
});

test('OAuth of a user: the run waits for the consent, and goes on with the token', async () => {
  const service = await reference();
  const { engine, clerk, server, journal, model } = await world('user', { steps: 1, service });
  const paused = await ends(engine.run(clerk, 'go', { by: ana }), 'paused');
  const [approval] = paused.approvals;
  expect(approval?.kind).toBe('consent');
  expect(service.received).toHaveLength(0);
  const back = await browser('ana').consent((approval as { url: string }).url);
  expect((await fetch(back)).status).toBe(200);
  await eventually(async () => expect((await engine.inspect(paused.runId, { by: ana })).status).toBe('completed'));
  const token = bearer(service.received[0] as Received);
  expect(await server.whose(token)).toMatchObject({ user: 'ana', scope: 'calendar.read' });
  const written: Json[] = [JSON.stringify(await entriesOf(journal, paused.runId)), JSON.stringify(model.requests)];
  for (const text of written) expect(text).not.toContain(token);
});

test("OAuth by exchange: a token for the user, got with the caller's, which the target never sees", async () => {
  const service = await reference();
  const { engine, clerk, server } = await world('exchange', { steps: 1, service });
  const mine = userToken('ana', 2e9);
  await ends(engine.run(clerk, 'go', { by: ana, assertion: { type: 'jwt', token: mine } }), 'completed');
  const [got] = service.received as [Received];
  expect(await server.whose(bearer(got))).toMatchObject({ user: 'ana' });
  expect(shownOf(got)).not.toContain(mine);
});

test("targets of a gateway: each is called by its name, with its own credentials, and the caller's token for the caller", async () => {
  const service = await reference();
  const office = gateway({
    name: 'office',
    targets: {
      crm: source(service, { type: 'api-key', provider: 'crm' }),
      mine: source(service, { type: 'pass-through' }),
      pay: lambdaTools({
        invoke: async ({ event }) => ({ payload: event }),
        tools: [{ name: 'refund', description: 'x', inputSchema: { type: 'object' } }],
      }),
      web: webSearch({ backend: localIndex([{ title: 'Tea', url: 'https://example.com', text: 'green' }]) }),
    },
  });
  const { identity } = keys();
  const as = (id: string) => ({ engine: { identity }, run: { by: { id }, assertion: { type: 'jwt', token: `the-token-of-${id}` } } });
  for (const id of ['ana', 'ben']) for (const target of ['crm', 'mine']) await calling(office, `${target}___list`, {}, as(id));
  const seen = service.received.map(({ headers }) => headers.authorization);
  expect(seen).toEqual([`Bearer ${KEY}`, 'Bearer the-token-of-ana', `Bearer ${KEY}`, 'Bearer the-token-of-ben']);
  expect((await calling(office, 'pay___refund', { a: 1 })).value).toEqual({ a: 1 });
  expect((await calling(office, 'web___WebSearch', { query: 'tea' })).value).toMatchObject({ results: [{ title: 'Tea' }] });
});
