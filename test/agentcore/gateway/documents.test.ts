import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CredentialProviderConfiguration,
  GetGatewayTargetCommand,
  type McpTargetConfiguration,
  UpdateGatewayTargetCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { type Bindings, movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../../kit/folder.ts';
import { BINDINGS, connected, LAMBDA, refunds, started, textOf, withGateway } from './kit.ts';

const OPEN = { authorizerType: 'NONE' as const };
const PLACE = 's3://schemas/desk/tools.json';
const S3 = { s3: { uri: PLACE } };
const ROLE: CredentialProviderConfiguration[] = [{ credentialProviderType: 'GATEWAY_IAM_ROLE' }];

const lambda = (tools: { s3: { uri: string } } = S3): McpTargetConfiguration => ({ lambda: { lambdaArn: LAMBDA, toolSchema: tools } });
const TOOLS = [
  {
    name: 'process',
    description: 'Refunds an order.',
    inputSchema: { type: 'object', properties: { amount: { type: 'integer' } }, required: ['amount'] },
  },
];
const API = (operation: string) => ({
  openapi: '3.0.3',
  info: { title: 'Weather', version: '1' },
  servers: [{ url: 'https://api.weather.example' }],
  paths: { '/forecast': { get: { operationId: operation, responses: { 200: { description: 'ok' } } } } },
});

/** A file that is bound to `PLACE`, by a file of bindings beside it. */
function bound(content: unknown = undefined) {
  const cwd = folder('documents');
  const write = (value: unknown) =>
    writeFileSync(join(cwd, 'document.json'), typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value));
  if (content !== undefined) write(content);
  const bindings = join(cwd, 'bindings.json');
  writeFileSync(bindings, JSON.stringify({ ...BINDINGS, [PLACE]: './document.json', 's3://schemas/folder': '.' } satisfies Bindings));
  return { bindings, write, remove: () => rmSync(join(cwd, 'document.json')) };
}

const ofTools = (mcp: McpTargetConfiguration, credentials?: CredentialProviderConfiguration[]) => ({
  name: 'Desk',
  targetConfiguration: { mcp },
  ...(credentials && { credentialProviderConfigurations: credentials }),
});
const namesOf = async (url: string) => (await (await connected(url)).listTools()).tools.map(({ name }) => name);

test('the tools of a Lambda function are read from S3, and called', async () => {
  const { bindings } = bound(TOOLS);
  const { url, target, controls, id } = await withGateway(OPEN, { bindings });
  const { status, id: targetId } = await target(ofTools(lambda(), ROLE));
  expect(status).toBe('READY');
  // it is told as it was given
  const { targetConfiguration } = await controls.send(new GetGatewayTargetCommand({ gatewayIdentifier: id, targetId }));
  expect(targetConfiguration).toEqual({ mcp: lambda() });
  const client = await connected(url);
  expect((await client.listTools()).tools).toMatchObject([{ name: 'Desk___process', inputSchema: { required: ['amount'] } }]);
  expect(textOf(await client.callTool({ name: 'Desk___process', arguments: { amount: 3 } }))).toContain('3');
});

test('the tool schema of an MCP server is read from S3', async () => {
  const { bindings } = bound({ tools: [{ name: 'find', description: 'Finds.', inputSchema: { type: 'object' } }] });
  const { url, target } = await withGateway(OPEN, { bindings });
  const server: McpTargetConfiguration = { mcpServer: { endpoint: 'https://tools.example/mcp', mcpToolSchema: S3 } };
  expect(await target(ofTools(server))).toMatchObject({ status: 'READY' });
  expect(await namesOf(url)).toEqual(['Desk___find']);
});

test('an OpenAPI document in S3 is read when the target is created or changed, and not between', async () => {
  const { bindings, write, remove } = bound(API('forecast'));
  const { url, target, controls, id, server } = await withGateway(OPEN, { bindings });
  const { id: targetId, status } = await target(ofTools({ openApiSchema: S3 }));
  expect(status).toBe('READY');
  write(API('weather'));
  expect(await namesOf(url)).toEqual(['Desk___forecast']);
  const update = async (place = PLACE) => {
    const mcp: McpTargetConfiguration = { openApiSchema: { s3: { uri: place } } };
    await controls.send(new UpdateGatewayTargetCommand({ gatewayIdentifier: id, targetId, ...ofTools(mcp) }));
    await server.clock.advance(2_000);
    return controls.send(new GetGatewayTargetCommand({ gatewayIdentifier: id, targetId }));
  };
  expect(await update()).toMatchObject({ status: 'READY' });
  expect(await namesOf(url)).toEqual(['Desk___weather']);
  remove();
  expect(await update()).toMatchObject({ status: 'UPDATE_UNSUCCESSFUL', statusReasons: [expect.stringContaining('ENOENT')] });
  expect(await namesOf(url)).toEqual(['Desk___weather']);
});

test('a change to a document that is not bound leaves the other targets as they are', async () => {
  const { bindings } = bound(API('forecast'));
  const { url, target, controls, id, server } = await withGateway(OPEN, { bindings });
  await target(refunds());
  const { id: targetId } = await target(ofTools({ openApiSchema: S3 }));
  expect(await namesOf(url)).toEqual(['Refund___process', 'Desk___forecast']);
  const mcp: McpTargetConfiguration = { openApiSchema: { s3: { uri: 's3://schemas/other.json' } } };
  await controls.send(new UpdateGatewayTargetCommand({ gatewayIdentifier: id, targetId, ...ofTools(mcp) }));
  await server.clock.advance(2_000);
  expect(await controls.send(new GetGatewayTargetCommand({ gatewayIdentifier: id, targetId }))).toMatchObject({
    status: 'UPDATE_UNSUCCESSFUL',
    statusReasons: [expect.stringContaining('Add "s3://schemas/other.json" with the path of a file to the bindings')],
  });
  expect(await namesOf(url)).toEqual(['Refund___process']);
});

test('what was read is there after the server was started again', async () => {
  const { bindings, remove } = bound(TOOLS);
  const state = join(folder('documents'), 'state.db');
  const first = await withGateway(OPEN, { bindings, state });
  await first.target(ofTools(lambda(), ROLE));
  await first.server.close();
  remove();
  const { server } = await started({ bindings, state, clock: movableClock({ frozen: true, start: first.server.clock.now() }) });
  expect(await namesOf(`${server.url}/gateways/${first.id}/mcp`)).toEqual(['Desk___process']);
});

const TOO_LARGE = JSON.stringify(TOOLS) + ' '.repeat(10 * 1024 * 1024);

test.each<[string, McpTargetConfiguration, unknown, string]>([
  ['of a place that is not bound', lambda({ s3: { uri: 's3://a/b' } }), TOOLS, 'Add "s3://a/b" with the path of a file to the bindings'],
  ['whose file is missing', lambda(), undefined, 'cannot be read: ENOENT'],
  ['that is a folder', lambda({ s3: { uri: 's3://schemas/folder' } }), TOOLS, 'is not a file'],
  ['of more than 10 MB', lambda(), TOO_LARGE, 'at most 10485760'],
  ['that is not JSON', lambda(), 'tools', 'is not JSON'],
  ['that is not text', { openApiSchema: S3 }, Buffer.from([0xc3, 0x28]), 'is not text in UTF-8'],
  [
    'with a tool that has no description',
    lambda(),
    [{ ...TOOLS[0], description: undefined }],
    "'toolSchema.inlinePayload.1.member.description'",
  ],
  ['with a type that there is not', lambda(), [{ ...TOOLS[0], inputSchema: { type: 'file' } }], 'enum value set'],
  ['with two tools of one name', lambda(), [TOOLS[0], TOOLS[0]], 'two tools with the name process'],
  ['that is an object of tools', lambda(), { tools: TOOLS }, 'is not a list'],
  ['of Swagger 2', { openApiSchema: S3 }, { swagger: '2.0' }, 'swagger'],
  ['without tools', { mcpServer: { endpoint: 'https://a.example/mcp', mcpToolSchema: S3 } }, [], "object with 'tools' array"],
])('a target with a document %s is FAILED, with what to do', async (_, mcp, content, why) => {
  const { bindings } = bound(content);
  const { target } = await withGateway(OPEN, { bindings });
  const { status, reasons } = await target(ofTools(mcp, 'lambda' in mcp ? ROLE : undefined));
  expect(status).toBe('FAILED');
  expect(reasons).toContain(why);
});
