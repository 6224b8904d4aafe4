import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { agent, type CredentialRequest, Engine, type Identity, type Occasion, RondoError, type Token, tool } from 'rondo';
import { awsCredentials, awsKeys } from 'rondo/aws';
import { identities } from 'rondo/identity';
import { scripted } from 'rondo/testing';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { eventually } from '../../kit/time.ts';
import { BASE, Refusal, ROLE, type Sts, stsServer } from './server.ts';

let sts: Sts;
let now = Date.now();
beforeAll(async () => {
  sts = await stsServer();
});
beforeEach(() => {
  sts.trail.length = 0;
  sts.before = () => undefined;
  now = Date.now();
  vi.stubEnv('AWS_ACCESS_KEY_ID', BASE.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', BASE.secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', BASE.sessionToken);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => sts[Symbol.asyncDispose]());

const ana = { id: 'ana@example.com', tenant: 'acme' };
const assuming = (o: Partial<Parameters<typeof awsCredentials>[0]> = {}) =>
  awsCredentials({ roleArn: ROLE, region: 'eu-central-1', endpoint: sts.endpoint, now: () => now, ...o });

const ask = (over: Partial<CredentialRequest & Occasion> = {}): CredentialRequest & Occasion => ({
  provider: 'aws',
  by: ana,
  runId: 'r1',
  session: 's1',
  agent: 'assistant',
  tool: 'report',
  signal: new AbortController().signal,
  ...over,
});
const tokenOf = async (identity: Identity, over: Partial<CredentialRequest & Occasion> = {}) => (await identity.get(ask(over))) as Token;

/** Who AWS takes the holder of keys for. */
async function whoIs(credential: string): Promise<string | undefined> {
  const client = new STSClient({ region: 'eu-central-1', endpoint: sts.endpoint, credentials: awsKeys(credential) });
  try {
    return (await client.send(new GetCallerIdentityCommand({}))).Arn;
  } finally {
    client.destroy();
  }
}

test('a tool acts as the role, and the trail tells for whom: user, tenant, session, run, agent and tool', async () => {
  const told: (string | undefined)[] = [];
  const echoed: string[] = [];
  const report = tool({
    name: 'report',
    description: '',
    input: z.object({}),
    credentials: { aws: { provider: 'aws' } },
    async execute(_, { credentials }) {
      told.push(await whoIs(credentials.aws));
      const { accessKeyId, secretAccessKey, sessionToken } = awsKeys(credentials.aws);
      echoed.push(credentials.aws, accessKeyId, secretAccessKey, sessionToken);
      // as a tool does that logs too much
      return { all: credentials.aws, accessKeyId, secretAccessKey, sessionToken, encoded: encodeURIComponent(sessionToken) };
    },
  });
  const model = scripted([{ toolCalls: [{ name: 'report', input: {} }] }, 'done']);
  const assistant = agent({ name: 'assistant', instructions: '', model, tools: [report] });
  const engine = new Engine({ identity: identities({ aws: assuming({ durationSeconds: 900, externalId: 'ext-7' }) }) });
  const events: unknown[] = [];
  const run = engine.run(assistant, 'go', { by: ana, session: 's1' });
  for await (const event of run) events.push(event);
  const result = await run;
  expect(result.status).toBe('completed');

  const [assumed, called] = sts.trail;
  expect(assumed).toMatchObject({
    action: 'AssumeRole',
    caller: 'arn:aws:iam::123456789012:user/process',
    tags: { user: 'ana@example.com', tenant: 'acme', session: 's1', run: run.id, agent: 'assistant', tool: 'report' },
    parameters: { RoleArn: ROLE, DurationSeconds: '900', ExternalId: 'ext-7', RoleSessionName: `${run.id},ana@example.com` },
  });
  expect(called).toMatchObject({ action: 'GetCallerIdentity', caller: told[0] });
  expect(told).toEqual([`arn:aws:sts::123456789012:assumed-role/reports/${run.id},ana@example.com`]);

  // each part by itself is masked, in whatever is written or shown
  const written = JSON.stringify([events, result, model.requests, await engine.inspect(run.id, { by: ana })]);
  expect(written).toContain('[secret aws]');
  expect(echoed).toHaveLength(4);
  for (const secret of echoed) expect(written).not.toContain(secret);
  await engine.close();
});

test('keys are held until shortly before they end, for everything that is in the tags', async () => {
  const identity = assuming({ durationSeconds: 900 });
  const first = await tokenOf(identity);
  expect(first.expiresAt).toBeGreaterThan(now + 890_000);
  expect(await tokenOf(identity)).toEqual(first);
  expect(sts.trail).toHaveLength(1);
  const others: Partial<Occasion>[] = [
    { by: { id: 'ben', tenant: 'acme' } },
    { by: { id: ana.id, tenant: 'other' } },
    { by: { id: ana.id } },
    { by: undefined },
    { session: 's2' },
    { runId: 'r2' },
    { agent: 'helper' },
    { tool: 'other' },
  ];
  const tokens = [];
  for (const other of others) tokens.push((await tokenOf(identity, other)).token);
  expect(new Set([first.token, ...tokens]).size).toBe(others.length + 1);
  expect(sts.trail).toHaveLength(others.length + 1);
  now += 590_000;
  expect(await tokenOf(identity)).toEqual(first);
  now += 20_000;
  expect((await tokenOf(identity)).token).not.toBe(first.token);
});

test('calls at the same time are one request, which the signal of one of them does not end', async () => {
  const identity = assuming();
  const leaving = new AbortController();
  let release = () => {};
  const gate = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined);
  });
  sts.before = () => gate;
  const both = [tokenOf(identity, { signal: leaving.signal }), tokenOf(identity)];
  await eventually(() => expect(sts.trail).toHaveLength(1));
  leaving.abort();
  release();
  const [one, other] = await Promise.all(both);
  expect(one).toEqual(other);
  expect(sts.trail).toHaveLength(1);
});

const codeOf = async (asked: Promise<unknown>) => {
  const error = await asked.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(RondoError);
  expect((error as Error).cause).toBeUndefined();
  return error as RondoError;
};

test.each([
  ['AccessDenied', 403, 'PROVIDER_REFUSED', /sts:AssumeRole and sts:TagSession/],
  ['ExpiredToken', 400, 'PROVIDER_REFUSED', /credentials of this process have expired/],
  ['ExpiredTokenException', 400, 'PROVIDER_REFUSED', /credentials of this process have expired/],
  ['InvalidClientTokenId', 403, 'PROVIDER_REFUSED', /credentials of this process have expired or are wrong/],
  ['SignatureDoesNotMatch', 403, 'PROVIDER_REFUSED', /clock of this machine/],
  ['PackedPolicyTooLarge', 400, 'PROVIDER_REFUSED', /shorten the policy/],
  ['MalformedPolicyDocument', 400, 'PROVIDER_REFUSED', /not a policy of IAM/],
  ['RegionDisabledException', 403, 'PROVIDER_REFUSED', /not enabled in this region/],
  ['ValidationError', 400, 'PROVIDER_REFUSED', /longest session/],
] as const)('%s is refused at once, with what to do and none of what AWS quoted', async (name, status, code, remedy) => {
  sts.before = () => new Refusal(status, name, `x-amz-security-token:${BASE.sessionToken}`);
  const error = await codeOf(tokenOf(assuming()));
  expect(error).toMatchObject({ code, details: { role: ROLE } });
  expect(error.message).toMatch(remedy);
  expect(JSON.stringify([error.message, error.details])).not.toContain(BASE.sessionToken);
  expect(sts.trail).toHaveLength(1);
});

test.each([
  ['Throttling', 400],
  ['ServiceUnavailable', 503],
])('%s is tried again, and is then an error that may pass', async (name, status) => {
  const answers = [new Refusal(status, name), new Refusal(status, name)];
  sts.before = () => answers.shift();
  expect(await tokenOf(assuming())).toMatchObject({ flow: 'client' });
  expect(sts.trail).toHaveLength(3);
  sts.before = () => new Refusal(status, name);
  expect(await codeOf(tokenOf(assuming()))).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  expect(sts.trail).toHaveLength(6);
});

test('while STS cannot answer, keys that still last a while are handed out; once it refuses, they are not', async () => {
  const identity = assuming({ durationSeconds: 900 });
  const first = await tokenOf(identity);
  now += 700_000;
  sts.before = () => new Refusal(503, 'ServiceUnavailable');
  expect(await tokenOf(identity)).toEqual(first);
  sts.before = () => new Refusal(403, 'AccessDenied');
  expect(await codeOf(tokenOf(identity))).toMatchObject({ code: 'PROVIDER_REFUSED' });
  sts.before = () => new Refusal(503, 'ServiceUnavailable');
  now += 180_000;
  expect(await codeOf(tokenOf(identity))).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  sts.before = () => undefined;
  expect((await tokenOf(identity)).token).not.toBe(first.token);
});

test('a server that is not there, answers rubbish, or answers without keys', async () => {
  expect(await codeOf(tokenOf(assuming({ endpoint: 'http://127.0.0.1:9' })))).toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  const xml = (body: string) => new Response(body, { headers: { 'content-type': 'text/xml' } });
  sts.before = () => xml('<AssumeRoleResponse><AssumeRoleResult><Credentials></Credentials></AssumeRoleResult></AssumeRoleResponse>');
  expect(await codeOf(tokenOf(assuming()))).toMatchObject({ code: 'PROVIDER_ANSWER_INVALID' });
  sts.before = () => xml('<AssumeRoleResponse><AssumeRoleResult></AssumeRoleResult></AssumeRoleResponse>');
  expect(await codeOf(tokenOf(assuming()))).toMatchObject({ code: 'PROVIDER_ANSWER_INVALID' });
  sts.before = () => xml('<html>not an API');
  expect((await codeOf(tokenOf(assuming()))).code).toMatch(/^PROVIDER_(ANSWER_INVALID|REFUSED)$/);
});

test('a process without credentials is told so, and so is one without a region', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/nowhere');
  vi.stubEnv('AWS_CONFIG_FILE', '/nowhere');
  const without = await codeOf(tokenOf(assuming()));
  expect(without).toMatchObject({ code: 'CONFIG_INVALID' });
  expect(without.message).toMatch(/no AWS credentials/);
  vi.stubEnv('AWS_ACCESS_KEY_ID', BASE.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', BASE.secretAccessKey);
  vi.stubEnv('AWS_REGION', undefined);
  vi.stubEnv('AWS_DEFAULT_REGION', undefined);
  const nowhere = await codeOf(tokenOf(assuming({ region: undefined })));
  expect(nowhere.message).toMatch(/no AWS region/);
});

test('a policy is sent as it is, and the caller client is used', async () => {
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }] };
  const client = new STSClient({ region: 'us-east-1', endpoint: sts.endpoint, credentials: { ...BASE } });
  await tokenOf(awsCredentials({ roleArn: ROLE, policy, client }));
  await tokenOf(awsCredentials({ roleArn: ROLE, policy: JSON.stringify(policy), client }));
  expect(sts.trail.map(({ parameters }) => JSON.parse(parameters.Policy as string))).toEqual([policy, policy]);
  client.destroy();
});
