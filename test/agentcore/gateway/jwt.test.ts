import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { type Issuer, issuer } from '../../server/issuer.ts';
import { BINDINGS, connected, posted, refunds, textOf, type WithGateway, withGateway } from './kit.ts';

const CLAIMS = { sub: 'ana', aud: 'desk', client_id: 'web', scope: 'refunds orders', role: 'agent', groups: ['a', 'b'] };

const claim = (
  name: string,
  type: 'STRING' | 'STRING_ARRAY',
  claimMatchOperator: 'EQUALS' | 'CONTAINS' | 'CONTAINS_ANY',
  value: string | string[],
) => ({
  inboundTokenClaimName: name,
  inboundTokenClaimValueType: type,
  authorizingClaimMatchValue: {
    claimMatchOperator,
    claimMatchValue: typeof value === 'string' ? { matchValueString: value } : { matchValueStringList: value },
  },
});

async function guarded(more: object, start = Date.now()): Promise<WithGateway & { idp: Issuer }> {
  const idp = await issuer();
  const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, ...more } };
  const clock = movableClock({ frozen: true, start });
  // the clients sign again by the time of the server, where theirs differs
  const o = { bindings: BINDINGS, clock, attempts: 2 };
  const made = await withGateway({ authorizerType: 'CUSTOM_JWT', authorizerConfiguration: authorizer }, o);
  await made.target(refunds());
  return { ...made, idp };
}

const begin = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
};
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('the client of the MCP SDK calls with a token of the issuer', async () => {
  const { url, idp } = await guarded({ allowedAudience: ['desk'], allowedClients: ['web'], allowedScopes: ['refunds'] });
  const client = await connected(url, { token: await idp.token(CLAIMS) });
  expect(textOf(await client.callTool({ name: 'Refund___process', arguments: { amount: 7 } }))).toBe('refunded 7');
});

test('without a token the challenge names the document, which names the issuer', async () => {
  const { url, idp } = await guarded({ allowedClients: ['web'], allowedScopes: ['refunds'] });
  const refused = await posted(url, begin);
  expect(refused).toMatchObject({ status: 401, body: { id: 1, error: { code: -32001 } } });
  const challenge = refused.headers.get('www-authenticate') ?? '';
  expect(challenge).toContain('scope="refunds"');
  const document = await fetch(/resource_metadata="([^"]+)"/.exec(challenge)?.[1] as string);
  expect(await document.json()).toMatchObject({ resource: url, authorization_servers: [idp.url], scopes_supported: ['refunds'] });
  // where a client looks that was told nothing
  const { origin, pathname } = new URL(url);
  expect((await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`)).status).toBe(200);
});

test.each<[string, object, object, number]>([
  ['another audience', { allowedAudience: ['other'] }, CLAIMS, 403],
  ['another client', { allowedClients: ['other'] }, CLAIMS, 403],
  ['another scope', { allowedScopes: ['admin'] }, CLAIMS, 403],
  ['a part of a scope', { allowedScopes: ['refund'] }, CLAIMS, 403],
  ['a claim that equals', { customClaims: [claim('role', 'STRING', 'EQUALS', 'agent')] }, CLAIMS, 200],
  ['a claim that equals another', { customClaims: [claim('role', 'STRING', 'EQUALS', 'lead')] }, CLAIMS, 403],
  ['a list that contains', { customClaims: [claim('groups', 'STRING_ARRAY', 'CONTAINS', 'b')] }, CLAIMS, 200],
  ['a list that does not contain', { customClaims: [claim('groups', 'STRING_ARRAY', 'CONTAINS', 'c')] }, CLAIMS, 403],
  ['a list that contains one of', { customClaims: [claim('groups', 'STRING_ARRAY', 'CONTAINS_ANY', ['c', 'a'])] }, CLAIMS, 200],
  ['a list that contains none of', { customClaims: [claim('groups', 'STRING_ARRAY', 'CONTAINS_ANY', ['c', 'd'])] }, CLAIMS, 403],
  ['a text where a list is asked for', { customClaims: [claim('role', 'STRING_ARRAY', 'CONTAINS', 'agent')] }, CLAIMS, 403],
  ['a claim that is missing', { customClaims: [claim('team', 'STRING', 'EQUALS', 'a')] }, CLAIMS, 403],
])('%s: %j', async (_, rule, claims, status) => {
  const { url, idp, server } = await guarded(rule);
  expect((await posted(url, begin, bearer(await idp.token(claims)))).status).toBe(status);
  if (status === 403)
    expect(server.calls().at(-1)).toMatchObject({ status, error: 'AccessDeniedException', rule: expect.stringMatching(/token/) });
});

test.each([
  ['now', Date.now()],
  ['2020', Date.UTC(2020, 0, 1)],
])('the clock of the server says whether a token has expired: %s', async (_, start) => {
  const { url, idp, server } = await guarded({ allowedClients: ['web'] }, start);
  const at = server.clock.now();
  const token = await idp.token({ ...CLAIMS, nbf: Math.floor(at / 1_000) }, { at });
  expect((await posted(url, begin, bearer(token))).status).toBe(200);
  await server.clock.advance(301_000);
  expect((await posted(url, begin, bearer(token))).status).toBe(401);
  expect(server.calls().at(-1)?.rule).toBe('the token has expired');
});

test('tokens of another issuer, expired, without a signature, signed by the public key as a secret, and garbage', async () => {
  const { url, idp } = await guarded({ allowedClients: ['web'] });
  const other = await issuer();
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = encoded({ ...CLAIMS, iss: idp.url, exp: Math.floor(Date.now() / 1_000) + 300 });
  const none = `${encoded({ alg: 'none', typ: 'JWT' })}.${body}.`;
  const head = `${encoded({ alg: 'HS256', kid: '1', typ: 'JWT' })}.${body}`;
  const secret = idp.publicKey.export({ type: 'spki', format: 'pem' });
  const forged = `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
  const good = await idp.token(CLAIMS);
  for (const token of [
    await other.token(CLAIMS, { issuer: idp.url }),
    await other.token(CLAIMS),
    await idp.token(CLAIMS, { expires: '-1m' }),
    none,
    forged,
    'garbage',
    `${good.slice(0, -4)}AAAA`,
  ])
    expect((await posted(url, begin, bearer(token))).status, token).toBe(401);
  expect((await posted(url, begin, bearer(good))).status).toBe(200);
});

test('a token of a new key of the issuer, after the keys were fetched', async () => {
  const { url, idp } = await guarded({ allowedClients: ['web'] });
  const old = await idp.token(CLAIMS);
  idp.rotate();
  expect((await posted(url, begin, bearer(await idp.token(CLAIMS)))).status).toBe(200);
  expect((await posted(url, begin, bearer(old))).status).toBe(401);
});

test('a session is of the user who began it', async () => {
  const { url, idp } = await guarded({ allowedClients: ['web'] });
  const ana = bearer(await idp.token(CLAIMS));
  const session = { 'mcp-session-id': (await posted(url, begin, ana)).headers.get('mcp-session-id') as string };
  const list = { id: 2, method: 'tools/list' };
  expect((await posted(url, list, { ...ana, ...session })).status).toBe(200);
  const bob = bearer(await idp.token({ ...CLAIMS, sub: 'bob' }));
  expect((await posted(url, list, { ...bob, ...session })).status).toBe(404);
});
