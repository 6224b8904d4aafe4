import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import type { AgentCore } from '../../src/adapters/agentcore/wire/index.ts';
import { switched } from '../../src/cli/agentcore/switches.ts';
import { jwtAuthorizer } from '../../src/server/index.ts';
import { ran } from '../cli/io.ts';
import { folder } from '../kit/folder.ts';

const root = join(import.meta.dirname, '../..');

test('rondo agentcore prints what a client needs, keeps its files to its owner, and ends with SIGTERM', async () => {
  const cwd = folder('agentcore');
  writeFileSync(join(cwd, 'bindings.json'), '{}');
  const args =
    'agentcore --port 0 --json --state state.db --log calls.jsonl --bindings bindings.json --key AKIDEXAMPLE:secret --region eu-west-1 --user ana';
  const child = spawn(process.execPath, ['--import', join(root, 'scripts/source.ts'), join(root, 'src/cli/main.ts'), ...args.split(' ')], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  try {
    const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
    const { url, env, adminToken, authorization } = JSON.parse(value as string);
    const { issuer } = (await (await fetch(authorization.discoveryUrl)).json()) as { issuer: string };
    expect(issuer).toBe(`${url}/authorization`);
    expect(env).toMatchObject({ AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_ENDPOINT_URL_BEDROCK_AGENTCORE: url });
    const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID, secretAccessKey: env.AWS_SECRET_ACCESS_KEY };
    const client = new control.BedrockAgentCoreControlClient({ endpoint: url, region: env.AWS_REGION, credentials });
    expect((await client.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes).toEqual([]);
    client.destroy();
    const calls = await fetch(`${url}/_rondo/calls`, { headers: { authorization: `Bearer ${adminToken}` } });
    expect(await calls.json()).toMatchObject({ calls: [{ operation: 'ListAgentRuntimes', status: 200 }] });
  } finally {
    child.kill('SIGTERM');
  }
  expect(await ended).toEqual([0, null]);
  expect(statSync(join(cwd, 'state.db')).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(join(cwd, 'calls.jsonl'), 'utf8'))).toMatchObject({ operation: 'ListAgentRuntimes' });
  expect(statSync(join(cwd, 'calls.jsonl')).mode & 0o777).toBe(0o600);
});

type Printed = Pick<AgentCore, 'url' | 'env' | 'authorization'>;

/** What the command does while it runs. */
async function running(args: readonly string[], use: (printed: Printed) => Promise<void>): Promise<void> {
  const end = new AbortController();
  let used: Promise<void> | undefined;
  const out = (text: string) => {
    used = use(JSON.parse(text) as Printed).finally(() => end.abort());
  };
  const { code, err } = await ran(['agentcore', '--port', '0', '--json', ...args], {}, { signal: end.signal, out });
  expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('Listening') });
  await used;
}

test('the client that it prints gets tokens of its own without --redirect and without a credential provider', () =>
  running([], async ({ authorization: { url, clientId, clientSecret, discoveryUrl } }) => {
    const headers = { authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}` };
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'calendar.read' });
    const answer = await fetch(`${url}/token`, { method: 'POST', headers, body });
    const { access_token: token, error } = (await answer.json()) as { access_token: string; error?: unknown };
    expect([answer.status, error]).toEqual([200, undefined]);
    const checked = await jwtAuthorizer({ discoveryUrl, allowedClients: [clientId], allowedScopes: ['calendar.read'] }).check(token);
    expect(checked).toMatchObject({ ok: true });
  }));

test('--switch takes the other way of a disputed point', () =>
  running(['--switch', 'shortestExpiry=7', '--switch', 'providerArns=acps', '--user', 'ana'], async ({ url, env }) => {
    const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID as string, secretAccessKey: env.AWS_SECRET_ACCESS_KEY as string };
    const client = new control.BedrockAgentCoreControlClient({ endpoint: url, region: 'us-east-1', credentials });
    const memory = (eventExpiryDuration: number) => client.send(new control.CreateMemoryCommand({ name: 'm', eventExpiryDuration }));
    await expect(memory(6)).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining('equal to 7') });
    expect((await memory(7)).memory).toMatchObject({ eventExpiryDuration: 7 });
    const key = await client.send(new control.CreateApiKeyCredentialProviderCommand({ name: 'k', apiKey: 'secret' }));
    expect(key.credentialProviderArn).toContain(':acps:');
    client.destroy();
  }));

test('each switch is an option of startAgentCore()', () => {
  expect(
    switched(['untimed=protect', 'pings=passed', 'providerArns=acps', 'namespace=exact', 'mainBranch=named', 'shortestExpiry=7']),
  ).toEqual({
    sessions: { untimed: 'protect' },
    gateways: { pings: 'passed' },
    identity: { providerArns: 'acps' },
    memory: { namespace: 'exact', mainBranch: 'named', shortestExpiry: 7 },
  });
  expect(switched(['namespace=exact', 'namespace=within'])).toEqual({ memory: { namespace: 'within' } });
});

test('without --json it prints lines that a shell can read', async () => {
  const { code, out } = await ran(['agentcore', '--port', '0'], {}, { signal: AbortSignal.abort() });
  expect(code).toBe(0);
  for (const line of out.trim().split('\n')) expect(line).toMatch(/^(# .+|export [A-Z_]+=\S+)$/);
  expect(out).toContain('export AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL=http://127.0.0.1:');
});

test.each([
  ['a host that other machines reach', '--host 0.0.0.0', 'open: true'],
  ['a key without a secret', '--key AKIDEXAMPLE', 'id:secret'],
  ['a fault that there is not', '--fault slow=CreateEvent', 'kind=Operation:probability'],
  ['a time that is none', '--time soon', 'ISO 8601'],
  ['a redirect URL that is none', '--redirect callback', 'redirectUrls'],
  ['bindings that are not there', '--bindings none.json', 'none.json cannot be read'],
  ['a point that there is not', '--switch namespaces=exact', 'namespace=within|exact'],
  ['a way that there is not', '--switch shortestExpiry=5', 'shortestExpiry=3|7'],
  ['a switch without a way', '--switch untimed', 'untimed=reap|protect'],
  ['an account of 11 digits', '--account 12345678901', '12 digits'],
  ['a state file that cannot be made', '--state no/such/folder.db', 'cannot be opened'],
])('%s is refused, and the message says what to write', async (_, args, why) => {
  const { code, err } = await ran(['agentcore', '--port', '0', ...args.split(' ')]);
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(why) });
  expect(err).not.toContain('With --verbose');
});
