import { CreateApiKeyCredentialProviderCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { WebSearchClient } from 'bedrock-agentcore/web-search';
import { afterEach, expect, test } from 'vitest';
import type { Bindings } from '../../../src/adapters/agentcore/wire/index.ts';
import { connected, textOf, withGateway } from './kit.ts';

const bound = (name: string): Bindings => ({ 'connector:web-search': `${import.meta.dirname}/../fixtures/search.ts#${name}` });

const target = (parameterValues: object = {}) => ({
  name: 'web',
  targetConfiguration: {
    mcp: {
      connector: {
        source: { connectorId: 'web-search' },
        configurations: [{ name: 'WebSearch', parameterValues: parameterValues as never }],
      },
    },
  },
  credentialProviderConfigurations: [{ credentialProviderType: 'GATEWAY_IAM_ROLE' as const }],
});

afterEach(() => {
  delete process.env.BEDROCK_AGENTCORE_GATEWAY_ENDPOINT;
});

test('the WebSearchClient of the TypeScript SDK finds the tool of a gateway, and searches', async () => {
  const { url, id, target: made, server } = await withGateway({}, { bindings: bound('backend') });
  expect(await made(target())).toMatchObject({ status: 'READY' });
  process.env.BEDROCK_AGENTCORE_GATEWAY_ENDPOINT = url;
  const client = new WebSearchClient({ region: 'us-east-1', gatewayId: id });
  const { results, searchId } = await client.search('node 24', { maxResults: 2 });
  expect(results[0]).toEqual({
    title: 'Node 24',
    url: 'https://nodejs.example/24',
    text: 'Node 24 has a new fetch.',
    publishedDate: '2026-05-06',
  });
  expect(results).toHaveLength(2);
  expect(searchId).toMatch(/^\w+$/);
  const within = await client.search('node', { excludeDomains: ['farm.example'], publishedAfter: '2025-01-01' });
  expect(within.results.map(({ title }) => title)).toEqual(['Node 24']);
  expect(server.calls().filter(({ operation }) => operation === 'InvokeGateway tools/call')).toHaveLength(2);
});

test("the target's own domains hold for every search", async () => {
  const { url, target: made } = await withGateway({ authorizerType: 'NONE' }, { bindings: bound('backend') });
  await made(target({ domainFilter: { exclude: ['farm.example'] } }));
  const client = await connected(url);
  const call = {
    name: 'web___WebSearch',
    arguments: { query: 'node', filters: { domainFilter: { include: ['farm.example', 'nodejs.example'] } } },
  };
  const titles = JSON.parse(textOf(await client.callTool(call))).results.map(({ title }: { title: string }) => title);
  expect(titles.sort()).toEqual(['Node 22', 'Node 24']);
});

test('the key of a backend comes from Identity of the server', async () => {
  const { url, target: made, controls } = await withGateway({ authorizerType: 'NONE' }, { bindings: bound('keyed') });
  await controls.send(new CreateApiKeyCredentialProviderCommand({ name: 'brave', apiKey: 'the key of brave' }));
  await made(target());
  const said = textOf(await (await connected(url)).callTool({ name: 'web___WebSearch', arguments: { query: 'x' } }));
  // it got there, and does not come out
  expect(said).toContain('https://a.example');
  expect(said).not.toContain('the key of brave');
});

test('without a backend the target is FAILED, and says what to bind', async () => {
  const { target: made } = await withGateway({ authorizerType: 'NONE' });
  expect(await made(target())).toMatchObject({ status: 'FAILED', reasons: expect.stringContaining('"connector:web-search"') });
});
