import { agent, Engine } from 'rondo';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test, vi } from 'vitest';
import { agentcoreGateway } from '../../../src/adapters/agentcore/gateway/index.ts';
import { asks, failure, refused, shown } from '../../kit/runs.ts';
import { serveHttp } from '../../mcp/http.ts';
import { issuer } from '../../server/issuer.ts';
import { BINDINGS, refunds, withGateway } from './kit.ts';

function over(source: ReturnType<typeof agentcoreGateway>, steps: Parameters<typeof scripted>[0]) {
  const model = scripted(steps);
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [source] });
  const engine = new Engine({ agents: [clerk] });
  onTestFinished(() => engine.close());
  return { engine, clerk, model };
}

const CALL = asks(['Refund___process', { amount: 5 }]);

test('a token of each caller: no one calls with that of another', async () => {
  const idp = await issuer();
  const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
  const { url, target, server } = await withGateway(
    { authorizerType: 'CUSTOM_JWT', authorizerConfiguration: authorizer },
    { bindings: BINDINGS },
  );
  await target(refunds());
  const source = agentcoreGateway({ url, perCaller: true, auth: ({ assertion }) => assertion?.token ?? '' });
  const { engine, clerk, model } = over(source, [CALL, 'done', CALL, 'done']);
  for (const sub of ['ana', 'bob']) {
    const token = await idp.token({ sub, client_id: 'web' });
    await engine.run(clerk, 'go', { by: { id: sub }, assertion: { type: 'jwt', token } });
  }
  expect(shown(model.requests[3]).at(-1)).toMatchObject({ text: 'refunded 5' });
  const callers = server.calls().filter(({ operation }) => operation === 'InvokeGateway tools/call');
  expect(callers.map(({ caller }) => caller)).toEqual(['ana', 'bob']);
});

test('a gateway without protocolType has a URL without /mcp, and its tools all the same', async () => {
  const { url, target } = await withGateway({ protocolType: undefined }, { bindings: BINDINGS });
  expect(url).not.toMatch(/\/mcp$/);
  await target(refunds());
  const { engine, clerk, model } = over(agentcoreGateway({ url, region: 'us-east-1' }), [CALL, 'done']);
  await engine.run(clerk, 'go');
  expect(shown(model.requests[1])).toMatchObject([{ text: 'refunded 5' }]);
});

test('a token that is refused is asked for again', async () => {
  const idp = await issuer();
  const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
  const { url, target } = await withGateway({ authorizerType: 'CUSTOM_JWT', authorizerConfiguration: authorizer }, { bindings: BINDINGS });
  await target(refunds());
  const tokens = ['expired', await idp.token({ sub: 'ana', client_id: 'web' })];
  const auth = vi.fn(() => (tokens.length > 1 ? tokens.shift() : tokens[0]) as string);
  const { engine, clerk, model } = over(agentcoreGateway({ url, auth }), [CALL, 'done']);
  await engine.run(clerk, 'go');
  expect(shown(model.requests[1])).toMatchObject([{ text: 'refunded 5' }]);
});

test('a signature by a clock that is an hour behind is made again by the clock of the service', async () => {
  const { url, target, server } = await withGateway({}, { bindings: BINDINGS });
  await target(refunds());
  await server.clock.advance(3_600_000);
  const { engine, clerk, model } = over(agentcoreGateway({ url, region: 'us-east-1' }), [CALL, 'done']);
  await engine.run(clerk, 'go');
  expect(shown(model.requests[1])).toMatchObject([{ text: 'refunded 5' }]);
});

test('a session that has ended is begun again at the next call', async () => {
  const { url, target, server } = await withGateway({}, { bindings: BINDINGS });
  await target(refunds());
  const { engine, clerk, model } = over(agentcoreGateway({ url, region: 'us-east-1' }), [CALL, 'done', CALL, 'done']);
  await engine.run(clerk, 'go');
  await server.clock.advance(3_600_000);
  await engine.run(clerk, 'go');
  expect(shown(model.requests[3]).at(-1)).toMatchObject({ text: 'refunded 5' });
  const calls = server.calls().filter(({ operation }) => operation === 'InvokeGateway tools/call');
  expect(calls.map(({ status }) => status)).toContain(404);
});

test('a gateway that tells of a lost session by -32600 is begun with again, whatever its status', async () => {
  const server = await serveHttp();
  onTestFinished(() => server.close());
  const ECHO = asks(['echo', { text: 'hi' }]);
  const { engine, clerk, model } = over(agentcoreGateway({ url: server.url, auth: () => 'token' }), [ECHO, 'done', ECHO, 'done']);
  await engine.run(clerk, 'go');
  server.answer = (response) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Missing required Mcp-Session-Id header' } });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  };
  await engine.run(clerk, 'go');
  expect(shown(model.requests[3]).at(-1)).toMatchObject({ text: 'hi' });
});

test.each([
  [200, 'idempotent', { code: 'MCP_ERROR', message: 'MCP server "desk": no refunds on sundays', outcome: 'unknown' }],
  [403, 'once', { code: 'ACCESS_DENIED', message: 'MCP server "desk" answered HTTP 403: no refunds on sundays', outcome: 'failed' }],
] as const)('what an interceptor answers with the status %i is told, and not asked again', async (status, effect, expected) => {
  const arn = 'arn:aws:lambda:us-east-1:123456789012:function:sunday';
  const bindings = { ...BINDINGS, [`lambda:${arn}`]: `${import.meta.dirname}/../fixtures/lambdas.ts#onSunday` };
  const interceptor = { interceptor: { lambda: { arn } }, inputConfiguration: { passRequestHeaders: true } };
  const { url, target, server } = await withGateway(
    { interceptorConfigurations: [{ ...interceptor, interceptionPoints: ['REQUEST'] }] },
    { bindings },
  );
  await target(refunds());
  const headers = { 'x-status': String(status) };
  const source = agentcoreGateway({ url, name: 'desk', region: 'us-east-1', headers, effects: { Refund___process: effect } });
  const { engine, clerk, model } = over(source, [CALL, 'done']);
  await engine.run(clerk, 'go');
  expect(failure(shown(model.requests[1])[0])).toMatchObject({ ...expected, attempts: 1 });
  expect(server.calls().filter(({ operation }) => operation === 'InvokeGateway tools/call')).toHaveLength(1);
});

test('keys that the gateway does not know', async () => {
  const { url } = await withGateway();
  const credentials = () => ({ accessKeyId: 'OTHER', secretAccessKey: 'x' });
  const { engine, clerk } = over(agentcoreGateway({ url, region: 'us-east-1', credentials }), ['done']);
  await expect(engine.run(clerk, 'go')).rejects.toMatchObject({ message: expect.stringContaining('MCP server') });
});

test.each<[string, object, string]>([
  ['neither a url nor an id', {}, 'either a url'],
  ['both of them', { url: 'https://a.example/mcp', gatewayId: 'desk-a1b2c3d4e5' }, 'either a url'],
  ['a url that is not one', { url: 'desk' }, 'gatewayUrl'],
  ['an id that is a host', { gatewayId: 'evil.example/', region: 'us-east-1' }, 'gatewayId'],
  ['another kind of auth', { url: 'https://a.example/mcp', auth: 'bearer' }, "'sigv4'"],
  ['a token and keys', { url: 'https://a.example/mcp', auth: () => 't', credentials: () => ({}) }, 'not both'],
])('%s is refused', async (_, options, why) => {
  expect((await refused('CONFIG_INVALID', () => agentcoreGateway(options as never))).message).toContain(why);
});

test('the id and the region of a gateway are its address', () => {
  expect(agentcoreGateway({ gatewayId: 'desk-a1b2c3d4e5', region: 'eu-central-1' }).name).toBe(
    'desk-a1b2c3d4e5.gateway.bedrock-agentcore.eu-central-1.amazonaws.com',
  );
});
