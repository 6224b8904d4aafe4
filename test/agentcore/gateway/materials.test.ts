import { CreatePolicyCommand, CreatePolicyEngineCommand, UpdateGatewayCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import type { Bindings } from '../../../src/adapters/agentcore/wire/index.ts';
import { gatewayHandler, mcpHandler } from '../../../src/adapters/mcp/index.ts';
import { materialTools } from '../../../src/adapters/mcp/material-tools.ts';
import { agent, type MaterialRequest } from '../../../src/index.ts';
import type { JsonObject } from '../../../src/json.ts';
import { scripted } from '../../../src/testing/index.ts';
import { serving } from '../../mcp/served.ts';
import { CREATE, connected, withGateway } from './kit.ts';

const OPEN = { authorizerType: 'NONE' as const };
const endpointOf = (name: string) => `https://${name.toLowerCase()}.example/mcp`;
const urlOf = (name: string): `url:${string}` => `url:${endpointOf(name)}`;
const targetOf = (name: string, resourcePriority?: number) => ({
  name,
  targetConfiguration: { mcp: { mcpServer: { endpoint: endpointOf(name), ...(resourcePriority !== undefined && { resourcePriority }) } } },
});

/** A server with a resource, a template and a prompt, which say whose they are. */
async function serverOf(who: string) {
  const clerk = agent({ name: 'clerk', instructions: 'Help.', model: scripted([]) });
  const { url } = await serving((engine) =>
    mcpHandler(engine, clerk, {
      resources: [
        { uri: 'menu://today', name: 'menu', read: () => `the menu of ${who}` },
        { uri: `own://${who}/{id}`, name: 'own', read: ({ id }) => `${id} of ${who}` },
      ],
      prompts: [{ name: 'review', arguments: { what: { required: true } }, get: ({ what }) => `${who}: ${what}` }],
    }),
  );
  return url;
}

async function twoServers() {
  const bindings = { [urlOf('North')]: await serverOf('North'), [urlOf('South')]: await serverOf('South') } as unknown as Bindings;
  const made = await withGateway(OPEN, { bindings });
  expect(await made.target(targetOf('North', 500))).toMatchObject({ status: 'READY' });
  expect(await made.target(targetOf('South', 20))).toMatchObject({ status: 'READY' });
  return made;
}

test('prompts have the names of their targets, resources their own URIs, and the lowest resourcePriority decides', async () => {
  const { url } = await twoServers();
  const client = await connected(url);
  expect(client.getServerCapabilities()).toEqual({ tools: { listChanged: false }, resources: {}, prompts: {} });
  expect((await client.listResources()).resources).toEqual([{ uri: 'menu://today', name: 'menu' }]);
  expect((await client.readResource({ uri: 'menu://today' })).contents).toMatchObject([{ uri: 'menu://today', text: 'the menu of South' }]);
  const { resourceTemplates } = await client.listResourceTemplates();
  expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(['own://South/{id}', 'own://North/{id}']);
  expect((await client.readResource({ uri: 'own://North/7' })).contents).toMatchObject([{ uri: 'own://North/7', text: '7 of North' }]);
  expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(['North___review', 'South___review']);
  const { messages } = await client.getPrompt({ name: 'North___review', arguments: { what: 'x' } });
  expect(messages).toMatchObject([{ role: 'user', content: { text: 'North: x' } }]);
  await expect(client.readResource({ uri: 'menu://tomorrow' })).rejects.toMatchObject({ code: -32002 });
  await expect(client.getPrompt({ name: 'review' })).rejects.toMatchObject({ code: -32602 });
});

test('a template without variables is of its own URI alone', async () => {
  const served = async (who: string, uri: string) => {
    const source = {
      name: who,
      passes: ['resources' as const],
      open: async () => ({
        list: async () => [],
        materials: {
          resources: async () => [],
          templates: async () => [{ uriTemplate: uri, name: who }],
          prompts: async () => [],
          tools: async () => reads,
          callOf: async ({ params }: MaterialRequest) => ({ tool: 'resources/read', input: { ...params } as JsonObject }),
        },
        close: async () => {},
      }),
    };
    const reads = materialTools({ 'resources/read': async (asked) => ({ contents: [{ uri: asked.uri, text: who }] }) });
    return (await serving((engine) => gatewayHandler(engine, source))).url;
  };
  const bindings = {
    [urlOf('North')]: await served('North', 'docs://a'),
    [urlOf('South')]: await served('South', 'docs://{name}'),
  } as unknown as Bindings;
  const { url, target } = await withGateway(OPEN, { bindings });
  expect(await target(targetOf('North', 1))).toMatchObject({ status: 'READY' });
  expect(await target(targetOf('South'))).toMatchObject({ status: 'READY' });
  const client = await connected(url);
  expect((await client.readResource({ uri: 'docs://a' })).contents).toMatchObject([{ text: 'North' }]);
  expect((await client.readResource({ uri: 'docs://b' })).contents).toMatchObject([{ text: 'South' }]);
});

test('what AWS does not document is not found', async () => {
  const { url } = await twoServers();
  const client = await connected(url);
  for (const asked of [
    () => client.request({ method: 'completion/complete', params: {} } as never, {} as never),
    () => client.request({ method: 'resources/subscribe', params: { uri: 'menu://today' } } as never, {} as never),
    () => client.request({ method: 'logging/setLevel', params: { level: 'info' } } as never, {} as never),
  ])
    await expect(asked()).rejects.toMatchObject({ code: -32601 });
});

test('a gateway without servers announces no resources', async () => {
  const { url } = await withGateway(OPEN);
  expect((await connected(url)).getServerCapabilities()).toEqual({ tools: { listChanged: false } });
});

test('a policy engine that permits nothing governs tools, and neither resources nor prompts', async () => {
  const { url, id, controls, server } = await twoServers();
  const { policyEngineArn, policyEngineId } = await controls.send(new CreatePolicyEngineCommand({ name: 'engine' }));
  await server.clock.advance(2_000);
  const cedar = { statement: 'forbid(principal, action, resource is AgentCore::Gateway);' };
  await controls.send(
    new CreatePolicyCommand({ policyEngineId, name: 'nothing', definition: { cedar }, validationMode: 'IGNORE_ALL_FINDINGS' }),
  );
  const policyEngineConfiguration = { arn: policyEngineArn, mode: 'ENFORCE' as const };
  await controls.send(new UpdateGatewayCommand({ ...CREATE, ...OPEN, gatewayIdentifier: id, policyEngineConfiguration } as never));
  await server.clock.advance(2_000);
  const client = await connected(url);
  expect((await client.listTools()).tools).toEqual([]);
  await expect(client.callTool({ name: 'North___clerk', arguments: { prompt: 'x' } })).rejects.toMatchObject({ code: -32002 });
  expect((await client.readResource({ uri: 'menu://today' })).contents).toHaveLength(1);
  // a call of a tool cannot have the name of what reads
  await expect(client.callTool({ name: 'North___resources/read', arguments: { uri: 'menu://today' } })).rejects.toMatchObject({
    code: -32602,
  });
});
