import { statSync } from 'node:fs';
import { join } from 'node:path';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach, expect, test } from 'vitest';
import { type AgentCore, type AgentCoreOptions, movableClock, startAgentCore } from '../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../kit/folder.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const IMAGE = '123456789012.dkr.ecr.us-east-1.amazonaws.com/demo:latest';
const NEW = {
  agentRuntimeName: 'demo',
  roleArn: 'arn:aws:iam::123456789012:role/rt',
  networkConfiguration: { networkMode: 'PUBLIC' as const },
  agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
};
const TOKEN = 'a-token-of-at-least-thirty-three-characters';

/** A server whose time stands still, and a client that finds it by the environment alone. */
async function start(o: AgentCoreOptions = {}): Promise<{ server: AgentCore; client: control.BedrockAgentCoreControlClient }> {
  const server = await startAgentCore({ clock: movableClock({ start: Date.now() }), throttle: false, ...o });
  open.push(server);
  Object.assign(process.env, server.env);
  const client = new control.BedrockAgentCoreControlClient({});
  open.push({ close: () => client.destroy() });
  return { server, client };
}

test('a runtime is created, becomes ready after a while, gets versions, and is deleted', async () => {
  const { server, client } = await start();
  const created = await client.send(new control.CreateAgentRuntimeCommand(NEW));
  expect(created).toMatchObject({ status: 'CREATING', agentRuntimeVersion: '1', createdAt: expect.any(Date) });
  const agentRuntimeId = created.agentRuntimeId as string;
  expect(agentRuntimeId).toMatch(/^demo-[a-zA-Z0-9]{10}$/);
  expect(created.agentRuntimeArn).toBe(`arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/${agentRuntimeId}`);
  await server.clock.advance(2_000);
  const got = await client.send(new control.GetAgentRuntimeCommand({ agentRuntimeId }));
  expect(got).toMatchObject({
    status: 'READY',
    agentRuntimeArtifact: NEW.agentRuntimeArtifact,
    lifecycleConfiguration: { idleRuntimeSessionTimeout: 900, maxLifetime: 28_800 },
  });
  const { agentRuntimeName: _, ...rest } = NEW;
  const updated = await client.send(new control.UpdateAgentRuntimeCommand({ agentRuntimeId, ...rest, description: 'the second' }));
  expect(updated).toMatchObject({ status: 'UPDATING', agentRuntimeVersion: '2' });
  const { agentRuntimes } = await client.send(new control.ListAgentRuntimeVersionsCommand({ agentRuntimeId }));
  expect(agentRuntimes?.map(({ agentRuntimeVersion, description }) => [agentRuntimeVersion, description])).toEqual([
    ['1', ''],
    ['2', 'the second'],
  ]);
  expect(await client.send(new control.GetAgentRuntimeEndpointCommand({ agentRuntimeId, endpointName: 'DEFAULT' }))).toMatchObject({
    liveVersion: '2',
    status: 'UPDATING',
  });
  expect(await client.send(new control.DeleteAgentRuntimeCommand({ agentRuntimeId }))).toMatchObject({ status: 'DELETING' });
  await server.clock.advance(2_000);
  await expect(client.send(new control.GetAgentRuntimeCommand({ agentRuntimeId }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
    $metadata: { httpStatusCode: 404 },
  });
  expect((await client.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes).toEqual([]);
});

test('an endpoint points to a version until it is moved; a version in use is not deleted', async () => {
  const { client } = await start();
  const { agentRuntimeId } = await client.send(new control.CreateAgentRuntimeCommand(NEW));
  const { agentRuntimeName: _, ...rest } = NEW;
  await client.send(new control.UpdateAgentRuntimeCommand({ agentRuntimeId, ...rest }));
  const prod = { agentRuntimeId, endpointName: 'prod' };
  await client.send(new control.CreateAgentRuntimeEndpointCommand({ agentRuntimeId, name: 'prod', agentRuntimeVersion: '1' }));
  expect((await client.send(new control.GetAgentRuntimeEndpointCommand(prod))).liveVersion).toBe('1');
  const first = new control.DeleteAgentRuntimeCommand({ agentRuntimeId, agentRuntimeVersion: '1' });
  await expect(client.send(first)).rejects.toMatchObject({ name: 'ConflictException' });
  await client.send(new control.UpdateAgentRuntimeEndpointCommand({ ...prod, agentRuntimeVersion: '2' }));
  await client.send(first);
  const { runtimeEndpoints } = await client.send(new control.ListAgentRuntimeEndpointsCommand({ agentRuntimeId }));
  expect(runtimeEndpoints?.map(({ name, liveVersion }) => [name, liveVersion])).toEqual([
    ['DEFAULT', '2'],
    ['prod', '2'],
  ]);
});

test('pages of a list are all of it, once each; a token of another list is refused', async () => {
  const { client } = await start();
  for (const n of [1, 2, 3, 4, 5]) await client.send(new control.CreateAgentRuntimeCommand({ ...NEW, agentRuntimeName: `demo${n}` }));
  const names: (string | undefined)[] = [];
  let token: string | undefined;
  for await (const page of control.paginateListAgentRuntimes({ client, pageSize: 2 }, {})) {
    names.push(...(page.agentRuntimes ?? []).map(({ agentRuntimeName }) => agentRuntimeName));
    token ??= page.nextToken;
  }
  expect(names).toEqual(['demo1', 'demo2', 'demo3', 'demo4', 'demo5']);
  const changed = client.send(new control.ListAgentRuntimesCommand({ nextToken: `${token}x` }));
  await expect(changed).rejects.toMatchObject({ name: 'ValidationException', fieldList: [{ name: 'nextToken' }] });
});

test('a clientToken gives the first answer again, and refuses another request', async () => {
  const { client } = await start();
  const create = (more = {}) => client.send(new control.CreateAgentRuntimeCommand({ ...NEW, clientToken: TOKEN, ...more }));
  const { agentRuntimeId } = await create();
  expect((await create()).agentRuntimeId).toBe(agentRuntimeId);
  await expect(create({ description: 'another' })).rejects.toMatchObject({ name: 'ConflictException' });
  expect((await client.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes).toHaveLength(1);
});

test('the client sends a request three times that failed after its effect, and one runtime is made', async () => {
  const { server, client } = await start({ faults: ['error-after=CreateAgentRuntime'] });
  await expect(client.send(new control.CreateAgentRuntimeCommand(NEW))).rejects.toMatchObject({ name: 'InternalServerException' });
  expect(server.calls().filter(({ operation }) => operation === 'CreateAgentRuntime')).toHaveLength(3);
  expect((await client.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes).toHaveLength(1);
});

test('so it does where the connection breaks after the effect', async () => {
  const { client } = await start({ faults: ['reset=CreateAgentRuntime'] });
  await expect(client.send(new control.CreateAgentRuntimeCommand(NEW))).rejects.toThrow();
  expect((await client.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes).toHaveLength(1);
});

test('tags of a runtime and of an endpoint are listed, added and removed', async () => {
  const { client } = await start();
  const { agentRuntimeArn: resourceArn } = await client.send(new control.CreateAgentRuntimeCommand({ ...NEW, tags: { team: 'a/b' } }));
  await client.send(new control.TagResourceCommand({ resourceArn, tags: { stage: 'test' } }));
  await client.send(new control.UntagResourceCommand({ resourceArn, tagKeys: ['team', 'none'] }));
  expect((await client.send(new control.ListTagsForResourceCommand({ resourceArn }))).tags).toEqual({ stage: 'test' });
  const endpoint = { resourceArn: `${resourceArn}/runtime-endpoint/DEFAULT` };
  await client.send(new control.TagResourceCommand({ ...endpoint, tags: { a: 'b' } }));
  expect((await client.send(new control.ListTagsForResourceCommand(endpoint))).tags).toEqual({ a: 'b' });
  const missing = client.send(new control.ListTagsForResourceCommand({ resourceArn: `${resourceArn}x` }));
  await expect(missing).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test.each([
  ['a name with a dash', { agentRuntimeName: 'a-b' }, 'agentRuntimeName', 'regular expression'],
  ['a name of 49 characters', { agentRuntimeName: 'a'.repeat(49) }, 'agentRuntimeName', 'regular expression'],
  ['no role', { roleArn: undefined }, 'roleArn', 'must not be null'],
  [
    'a protocol that there is not',
    { protocolConfiguration: { serverProtocol: 'SOAP' } },
    'protocolConfiguration.serverProtocol',
    'enum value set',
  ],
  [
    'a timeout of 59 s',
    { lifecycleConfiguration: { idleRuntimeSessionTimeout: 59 } },
    'lifecycleConfiguration.idleRuntimeSessionTimeout',
    '60',
  ],
])('%s is refused, and the field is named', async (_, wrong, name, why) => {
  const { client } = await start();
  const creating = client.send(new control.CreateAgentRuntimeCommand({ ...NEW, ...wrong } as never));
  await expect(creating).rejects.toMatchObject({
    name: 'ValidationException',
    reason: 'FieldValidationFailed',
    fieldList: [{ name, message: expect.stringContaining(why) }],
    $metadata: { httpStatusCode: 400 },
  });
});

test('an operation that is not executed says so with its name', async () => {
  const { client } = await start();
  const creating = client.send(new control.ListBrowsersCommand({}));
  await expect(creating).rejects.toMatchObject({ name: 'NotImplementedException', message: expect.stringContaining('ListBrowsers') });
});

test('the state is a file of its owner alone, and a server that is started again goes on with it', async () => {
  const state = join(folder('agentcore'), 'state.db');
  const first = await start({ state });
  await first.client.send(new control.CreateAgentRuntimeCommand(NEW));
  await first.server.close();
  expect(statSync(state).mode & 0o777).toBe(0o600);
  const { client } = await start({ state });
  expect((await client.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes).toHaveLength(1);
});
