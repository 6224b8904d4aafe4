import { fileURLToPath } from 'node:url';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { movableClock } from '../../src/adapters/agentcore/wire/index.ts';
import { issuer, SHAPES } from '../server/issuer.ts';
import { type Deployed, deployed, sessionId } from './runtime.ts';

const SESSION = 'x-amzn-bedrock-agentcore-runtime-session-id';
const MCP = fileURLToPath(new URL('fixtures/mcp.mjs', import.meta.url));

/** A runtime that takes tokens of an issuer for the audience of one of its shapes. */
async function guarded(more: object = {}, binding?: { command: readonly [string, ...string[]] }, start = Date.now()) {
  const idp = await issuer();
  const authorizer = { discoveryUrl: idp.discoveryUrl, allowedAudience: ['api://agents'] };
  const clock = movableClock({ frozen: true, start });
  const of = await deployed(
    { authorizerConfiguration: { customJWTAuthorizer: authorizer }, ...more },
    { clock, ...(binding && { binding }) },
  );
  const url = `${of.server.url}/runtimes/${encodeURIComponent(of.arn)}/invocations`;
  const ask = (token: string | undefined, body: object = { act: 'headers' }, headers: Record<string, string> = {}) =>
    fetch(`${url}?qualifier=DEFAULT`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {
        'content-type': 'application/json',
        [SESSION]: sessionId('one'),
        ...(token && { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
  return { idp, of, url, ask, token: (claims: object = {}) => idp.token({ ...SHAPES.okta, ...claims }) };
}

test('without a token: the challenge, its document, the issuer, a token, an answer', async () => {
  const { idp, url, ask, token } = await guarded();
  const refused = await ask(undefined);
  expect(refused.status).toBe(401);
  const challenge = refused.headers.get('www-authenticate') ?? '';
  expect(challenge).toMatch(/^Bearer resource_metadata="/);
  const document = await fetch(/resource_metadata="([^"]+)"/.exec(challenge)?.[1] as string);
  expect(await document.json()).toEqual({ resource: url, authorization_servers: [idp.url], bearer_methods_supported: ['header'] });
  const answer = await ask(await token(), { act: 'headers' }, { 'x-amzn-bedrock-agentcore-runtime-user-id': 'someone else' });
  expect(answer.status).toBe(200);
  const got = await answer.json();
  // neither the token nor a name that the caller gives himself
  expect(got).not.toHaveProperty('authorization');
  expect(got).not.toHaveProperty('x-amzn-bedrock-agentcore-runtime-user-id');
});

test('bad tokens: expired, of another issuer, garbage, another audience; signed requests; tokens where none are taken', async () => {
  const { idp, of, ask, token } = await guarded();
  const other = await issuer();
  const tokens = [
    await idp.token(SHAPES.okta, { expires: '-1m' }),
    await other.token(SHAPES.okta, { issuer: idp.url }),
    await other.token(SHAPES.okta),
    'garbage',
  ];
  for (const bad of tokens) {
    const { status, headers } = await ask(bad);
    expect([status, headers.get('x-amzn-errortype')]).toEqual([401, 'UnauthorizedException']);
    expect(headers.get('www-authenticate')).toContain('resource_metadata');
  }
  expect((await ask(await token({ aud: 'api://other' }))).status).toBe(403);
  await expect(
    of.client.send(new data.InvokeAgentRuntimeCommand({ agentRuntimeArn: of.arn, payload: Buffer.from('{}') })),
  ).rejects.toMatchObject({ name: 'AccessDeniedException' });
  expect(of.server.sessions().running).toEqual([]);

  const signed = await deployed();
  const at = `${signed.server.url}/runtimes/${encodeURIComponent(signed.arn)}/invocations`;
  const answer = await fetch(at, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${await token()}` } });
  expect(answer.status).toBe(403);
  expect((await fetch(`${at}/.well-known/oauth-protected-resource`)).status).toBe(404);
});

test.each([
  ['now', Date.now()],
  ['2020', Date.UTC(2020, 0, 1)],
])('the clock of the server says whether a token has expired: %s', async (_, start) => {
  const { idp, of, ask } = await guarded({}, undefined, start);
  const at = of.server.clock.now();
  const token = await idp.token({ ...SHAPES.okta, nbf: Math.floor(at / 1_000) }, { at });
  expect((await ask(token)).status).toBe(200);
  await of.server.clock.advance(301_000);
  const refused = await ask(token);
  expect([refused.status, await refused.json()]).toEqual([401, { message: 'The token is refused: the token has expired.' }]);
});

test('a large body is read only of a caller whose token is good', async () => {
  const { idp, of, ask, token } = await guarded();
  const large = { act: 'size', text: 'x'.repeat(2_000_000) };
  const strangers = ['garbage', await idp.token(SHAPES.okta, { expires: '-1m' }), await token({ aud: 'api://other' })];
  for (const bad of strangers) {
    const { status, headers } = await ask(bad, large);
    expect([status, headers.get('x-amzn-errortype')]).toEqual([413, 'RequestEntityTooLargeException']);
  }
  expect(of.server.sessions().running).toEqual([]);
  expect(await (await ask(await token(), large)).json()).toEqual({ length: 2_000_000 });
});

test('a session belongs to the user who began it; Authorization is passed on where the allow-list says so', async () => {
  const { of, ask, token } = await guarded({ requestHeaderConfiguration: { requestHeaderAllowlist: ['Authorization'] } });
  const mine = await token();
  expect(await (await ask(mine)).json()).toMatchObject({ authorization: `Bearer ${mine}` });
  const stranger = await ask(await token({ sub: 'bob@acme.example' }));
  expect([stranger.status, stranger.headers.get('x-amzn-errortype')]).toEqual([403, 'AccessDeniedException']);
  const stop = `${of.server.url}/runtimes/${encodeURIComponent(of.arn)}/stopruntimesession`;
  const stopped = async (by: string) =>
    (await fetch(stop, { method: 'POST', headers: { authorization: `Bearer ${by}`, [SESSION]: sessionId('one') } })).status;
  expect([await stopped(await token({ sub: 'bob@acme.example' })), await stopped(await token())]).toEqual([403, 200]);
});

test('a page of a browser sends its token as a subprotocol', async () => {
  const { of, token } = await guarded();
  const at = `${of.server.url.replace('http', 'ws')}/runtimes/${encodeURIComponent(of.arn)}/ws?X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=${sessionId('one')}`;
  const encoded = Buffer.from(await token()).toString('base64url');
  const socket = new WebSocket(at, [`base64UrlBearerAuthorization.${encoded}`, 'base64UrlBearerAuthorization']);
  const first = await new Promise<string>((resolve, reject) =>
    socket.once('message', (bytes) => resolve(String(bytes))).once('error', reject),
  );
  expect(JSON.parse(first)).toMatchObject({ [SESSION]: sessionId('one') });
  expect(first).not.toContain(encoded);
  socket.terminate();
  const refused = await new Promise((resolve) =>
    new WebSocket(at, ['base64UrlBearerAuthorization.eA']).once('error', ({ message }) => resolve(message)),
  );
  expect(refused).toContain('401');
});

test('the program gets that token as a header, if its allow-list has it', async () => {
  const { of, token } = await guarded({ requestHeaderConfiguration: { requestHeaderAllowlist: ['Authorization'] } });
  const at = `${of.server.url.replace('http', 'ws')}/runtimes/${encodeURIComponent(of.arn)}/ws?X-Amzn-Bedrock-AgentCore-Runtime-Session-Id=${sessionId('one')}`;
  const own = await token();
  const socket = new WebSocket(at, [
    `base64UrlBearerAuthorization.${Buffer.from(own).toString('base64url')}`,
    'base64UrlBearerAuthorization',
  ]);
  const first = await new Promise<string>((resolve, reject) =>
    socket.once('message', (bytes) => resolve(String(bytes))).once('error', reject),
  );
  expect(JSON.parse(first)).toMatchObject({ authorization: `Bearer ${own}` });
  socket.terminate();
});

test('an MCP client works with a session id that its server did not make', async () => {
  const { of, url, token } = await guarded({ protocolConfiguration: { serverProtocol: 'MCP' } }, { command: ['node', MCP] });
  const connect = async (o: { sessionId?: string } = {}) => {
    const transport = new StreamableHTTPClientTransport(new URL(`${url}?qualifier=DEFAULT`), {
      requestInit: { headers: { authorization: `Bearer ${await token()}` } },
      ...o,
    });
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(transport as Parameters<Client['connect']>[0]);
    return { client, id: () => transport.sessionId };
  };
  const whoami = async (client: Client) =>
    JSON.parse(((await client.callTool({ name: 'whoami' })).content as { text: string }[])[0]?.text as string) as Record<string, string>;
  const one = await connect();
  expect((await one.client.listTools()).tools.map(({ name }) => name)).toEqual(['whoami']);
  const first = await whoami(one.client);
  // the platform made the id; the client keeps to it, and stays at its process
  expect(one.id()).toMatch(/^[0-9a-f-]{36}$/);
  expect(first).toMatchObject({ 'mcp-session-id': one.id(), [SESSION]: one.id(), 'mcp-protocol-version': expect.any(String) });
  expect((await whoami(one.client)).pid).toBe(first.pid);
  const two = await connect();
  expect((await whoami(two.client)).pid).not.toBe(first.pid);
  expect(of.server.sessions().running.map(({ id }) => id)).toEqual([one.id(), two.id()]);
  for (const { client } of [one, two]) await client.close();
});

test('an authorizer that cannot work is refused when the runtime is created', async () => {
  const create = (customJWTAuthorizer: { discoveryUrl: string; allowedAudience?: string[] }): Promise<Deployed> =>
    deployed({ authorizerConfiguration: { customJWTAuthorizer } });
  for (const bad of [
    { discoveryUrl: 'https://idp.example/other', allowedAudience: ['a'] },
    { discoveryUrl: 'https://idp.example/.well-known/openid-configuration' },
  ])
    await expect(create(bad)).rejects.toMatchObject({ name: 'ValidationException' });
});
