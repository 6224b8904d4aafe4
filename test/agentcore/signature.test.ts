import {
  BedrockAgentCoreControlClient,
  CreateAgentRuntimeCommand,
  GetAgentRuntimeCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach, expect, test } from 'vitest';
import { type AgentCore, type AgentCoreOptions, movableClock, startAgentCore } from '../../src/adapters/agentcore/wire/index.ts';
import { signedHeaders } from '../../src/server/sigv4.ts';
import { flip, type Sent, sentAsIs, taken } from './taken.ts';

let server: AgentCore | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'the secret of the key' };

/** Starts a server, and answers what the unmodified client would have sent for a command. */
async function signed(command: unknown, o: AgentCoreOptions = {}, credentials: object = KEY): Promise<Sent> {
  server = await startAgentCore({ keys: [KEY], throttle: false, ...o });
  const client = new BedrockAgentCoreControlClient({ endpoint: server.url, region: 'us-east-1', credentials: credentials as never });
  return taken(client, command);
}

const send = (sent: Sent) => sentAsIs((server as AgentCore).port, sent);

const CREATE = new CreateAgentRuntimeCommand({
  agentRuntimeName: 'demo',
  roleArn: 'arn:aws:iam::123456789012:role/rt',
  agentRuntimeArtifact: { containerConfiguration: { containerUri: '123456789012.dkr.ecr.us-east-1.amazonaws.com/demo' } },
});
const ODD = new UntagResourceCommand({
  resourceArn: 'arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/demo-abcdefghij',
  tagKeys: ['a b', 'c/d', 'e=+f'],
});

test.each([
  ['a body', CREATE, 202],
  ['a path with an encoded ARN and a query', ODD, 404],
])('a request with %s is accepted as the client signs it', async (_, command, status) => {
  expect((await send(await signed(command))).status).toBe(status);
});

test.each([
  ['with a body', CREATE, KEY],
  ['with a path with an encoded ARN and a query', ODD, KEY],
  ['with a session token', CREATE, { ...KEY, sessionToken: 'to/ken+1=' }],
])('a request %s is signed as the official client signs it', async (_, command, keys) => {
  const { method, path, headers, body } = await signed(command, { keys: [keys] }, keys);
  const {
    authorization,
    'x-amz-date': time = '',
    ...own
  } = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const names = /SignedHeaders=([^,]+)/.exec(authorization ?? '')?.[1]?.split(';') ?? [];
  const at = Date.parse(time.replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'));
  const made = signedHeaders(
    // the client leaves some headers out, as it may
    {
      method,
      url: new URL(path, (server as AgentCore).url),
      headers: Object.fromEntries(names.map((name) => [name, own[name] ?? ''])),
      body,
    },
    keys,
    { region: 'us-east-1', service: 'bedrock-agentcore', at },
  );
  expect(made.authorization).toBe(authorization);
  expect((await send({ method, path, body, headers: { ...own, ...made } })).status).not.toBe(403);
});

test.each<[string, (sent: Sent) => Partial<Sent>]>([
  ['of the body', ({ body }) => ({ body: flip(body, 20) })],
  ['of the path', ({ path }) => ({ path: `${path}x/` })],
  ['of the query', ({ path }) => ({ path: `${path}?a=b` })],
  ['of a signed header', ({ headers }) => ({ headers: { ...headers, 'x-amz-date': flip(headers['x-amz-date'] as string, 14) } })],
  [
    'of the signature',
    ({ headers }) => ({
      headers: { ...headers, authorization: flip(headers.authorization as string, (headers.authorization as string).length - 1) },
    }),
  ],
])('a byte %s that is changed is refused', async (_, change) => {
  const sent = await signed(CREATE);
  expect(await send({ ...sent, ...change(sent) })).toMatchObject({ status: 403, type: 'InvalidSignatureException' });
  expect((server as AgentCore).calls()).toHaveLength(1);
  expect((server as AgentCore).calls()[0]).toMatchObject({
    error: 'InvalidSignatureException',
    rule: expect.stringContaining('canonical request'),
  });
});

test.each([
  ['x-amzn-bedrock-agentcore-runtime-user-id', 403],
  ['x-amz-target', 403],
  // proxies add it
  ['x-amzn-trace-id', 202],
])('the header %s, which the client did not sign, gets %i', async (name, status) => {
  const { headers, ...sent } = await signed(CREATE);
  expect((await send({ ...sent, headers: { ...headers, [name]: 'x' } })).status).toBe(status);
});

test.each(['/./runtimes/', '/other/../runtimes/', '//runtimes/'])(
  'the path %s, which has the signature of another, is of no operation',
  async (path) => {
    expect(await send({ ...(await signed(CREATE)), path })).toMatchObject({ status: 404, type: 'UnknownOperationException' });
  },
);

test.each([
  ['without a signature', (sent: Sent) => ({ ...sent, headers: { host: sent.headers.host as string } })],
  [
    'of an unknown key',
    ({ headers, ...sent }: Sent) => ({
      ...sent,
      headers: { host: headers.host as string, authorization: (headers.authorization as string).replace('AKID', 'OTHER') },
    }),
  ],
])('a request %s is not read to its end if it is large', async (_, change) => {
  const sent = change(await signed(CREATE));
  expect(await send({ ...sent, body: 'x'.repeat(1_000_001) })).toMatchObject({ status: 413 });
});

test.each(['Bearer', 'bearer'])(
  'a request with a token is one however it writes "%s"; a large body is not read before the token is good',
  async (scheme) => {
    const { headers, ...sent } = await signed(CREATE);
    const request = { ...sent, method: 'POST', path: '/runtimes/demo/invocations?accountId=123456789012' };
    const statusOf = async (body: string) =>
      (await send({ ...request, body, headers: { host: headers.host as string, authorization: `${scheme} token` } })).status;
    expect([await statusOf('x'), await statusOf('x'.repeat(1_000_001))]).toEqual([404, 413]);
  },
);

test.each([
  ['an unknown key', { accessKeyId: 'OTHER', secretAccessKey: 'x' }, 'UnrecognizedClientException'],
  ['a wrong secret', { ...KEY, secretAccessKey: 'x' }, 'InvalidSignatureException'],
  ['a session token that the key does not have', { ...KEY, sessionToken: 'x' }, 'UnrecognizedClientException'],
])('%s is refused', async (_, credentials, type) => {
  expect(await send(await signed(CREATE, {}, credentials))).toMatchObject({ status: 403, type });
});

test('a key with a session token is accepted with it, and refused without', async () => {
  const keys = [{ ...KEY, sessionToken: 'the token' }];
  expect((await send(await signed(CREATE, { keys }, keys[0]))).status).toBe(202);
  await server?.close();
  expect(await send(await signed(CREATE, { keys }))).toMatchObject({ status: 403, type: 'UnrecognizedClientException' });
});

test.each([
  ['5 minutes and a second behind', 301_000, 403],
  ['an hour behind', 3_600_000, 403],
  ['an hour ahead', -3_600_000, 403],
  ['4 minutes behind', 240_000, 202],
])('a client whose clock is %s gets %i', async (_, ms, status) => {
  const clock = movableClock({ start: Date.now() + ms, frozen: true });
  expect((await send(await signed(CREATE, { clock }))).status).toBe(status);
});

test('a request without a signature is refused', async () => {
  const { headers, ...sent } = await signed(new GetAgentRuntimeCommand({ agentRuntimeId: 'demo-abcdefghij' }));
  const { authorization: _, ...rest } = headers;
  expect(await send({ ...sent, headers: rest })).toMatchObject({ status: 403, type: 'MissingAuthenticationTokenException' });
});

test('a Host header of another name is refused, so that a page of a browser cannot call', async () => {
  const { headers, ...sent } = await signed(CREATE);
  expect((await send({ ...sent, headers: { ...headers, host: 'evil.example' } })).status).toBe(403);
});

test('a host that other machines reach needs a word', async () => {
  await expect(startAgentCore({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('a key of another account reaches nothing', async () => {
  const keys = [{ ...KEY, account: '210987654321' }];
  expect(await send(await signed(CREATE, { keys }))).toMatchObject({ status: 403, type: 'AccessDeniedException' });
  expect((server as AgentCore).calls()[0]).toMatchObject({ rule: expect.stringContaining('210987654321') });
});
