/** When a target is looked at, and what it is until then. */
import { join } from 'node:path';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { expect, onTestFinished, test } from 'vitest';
import { type AgentCoreOptions, movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../../kit/folder.ts';
import { deferred } from '../../kit/time.ts';
import { serveWith } from '../../mcp/http.ts';
import { CREATE, connected, started, withGateway } from './kit.ts';

const OPEN = { authorizerType: 'NONE' as const };
const ENDPOINT = 'https://tools.example/mcp';
const TARGET = { name: 'Tools', targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT } } } };
const BROKEN = { name: 'Broken', targetConfiguration: { mcp: { openApiSchema: { inlinePayload: '{"not":"openapi"}' } } } };

/** An MCP server that lists its tools when it is let. */
async function slowServer() {
  const asked = { times: 0, answer: Promise.resolve() };
  const running = await serveWith(() => {
    const server = new Server({ name: 'tools', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, async () => {
      asked.times++;
      await asked.answer;
      return { tools: [{ name: 'echo', inputSchema: { type: 'object' as const } }] };
    });
    return server;
  });
  onTestFinished(() => running.close());
  /** From now on it waits. @returns what lets it answer, or fail. */
  const hold = () => {
    const { promise, resolve, reject } = deferred();
    Object.assign(asked, { times: 0, answer: promise });
    onTestFinished(() => resolve());
    return { answer: () => resolve(), fail: () => reject(new Error('out of order')), asked: () => expect.poll(() => asked.times).toBe(1) };
  };
  return { hold, bindings: { [`url:${ENDPOINT}`]: running.url } };
}

async function withTargets(o: AgentCoreOptions) {
  const found = await withGateway(OPEN, o);
  const { controls, id: gatewayIdentifier } = found;
  return {
    ...found,
    create: (of: Omit<control.CreateGatewayTargetRequest, 'gatewayIdentifier'>) =>
      controls.send(new control.CreateGatewayTargetCommand({ gatewayIdentifier, ...of })),
    update: (targetId: string, name: string) =>
      controls.send(new control.UpdateGatewayTargetCommand({ gatewayIdentifier, targetId, ...TARGET, name })),
    synchronize: (targetId: string) =>
      controls.send(new control.SynchronizeGatewayTargetsCommand({ gatewayIdentifier, targetIdList: [targetId] })),
  };
}

const statusIn = async ({ controls }: { controls: control.BedrockAgentCoreControlClient }, gatewayIdentifier: string, targetId: string) =>
  (await controls.send(new control.GetGatewayTargetCommand({ gatewayIdentifier, targetId }))).status;

test.each([
  ['CREATING', 'FAILED'],
  ['UPDATING', 'UPDATE_UNSUCCESSFUL'],
  ['SYNCHRONIZING', 'SYNCHRONIZE_UNSUCCESSFUL'],
] as const)('a target is %s until its server has answered, and %s if it fails', async (until, unsuccessful) => {
  const { hold, bindings } = await slowServer();
  const gateway = await withTargets({ bindings });
  const clock = gateway.server.clock;
  for (const [end, becomes] of [
    ['answer', 'READY'],
    ['fail', unsuccessful],
  ] as const) {
    const name = `tools-${end}`;
    let targetId = '';
    if (until !== 'CREATING') {
      targetId = (await gateway.create({ ...TARGET, name })).targetId as string;
      await clock.advance(2_000);
    }
    const held = hold();
    if (until === 'CREATING') targetId = (await gateway.create({ ...TARGET, name })).targetId as string;
    else await (until === 'UPDATING' ? gateway.update(targetId, name) : gateway.synchronize(targetId));
    const moved = clock.advance(60_000);
    await held.asked();
    expect(await statusIn(gateway, gateway.id, targetId)).toBe(until);
    await expect(gateway.update(targetId, name)).rejects.toMatchObject({
      name: 'ConflictException',
      message: expect.stringContaining(until),
    });
    held[end]();
    await moved;
    expect(await statusIn(gateway, gateway.id, targetId)).toBe(becomes);
  }
});

test('a server that closes while a target is looked at ends the look, and the next one begins another', async () => {
  const { hold, bindings } = await slowServer();
  const state = join(folder('looks'), 'state.sqlite');
  const gateway = await withTargets({ bindings, state });
  const held = hold();
  const { targetId = '' } = await gateway.create(TARGET);
  const moved = gateway.server.clock.advance(2_000);
  await held.asked();
  await gateway.server.close();
  await moved;
  held.answer();

  const again = await started({ bindings, state, clock: movableClock({ frozen: true, start: gateway.server.clock.now() + 60_000 }) });
  expect(await statusIn(again, gateway.id, targetId)).toBe('CREATING');
  await again.server.clock.advance(1);
  expect(await statusIn(again, gateway.id, targetId)).toBe('READY');
});

test('a target that was not looked at when the server ended is looked at by the next one, when it listens', async () => {
  const { bindings } = await slowServer();
  const state = join(folder('looks'), 'state.sqlite');
  const gateway = await withTargets({ bindings, state });
  const made = await gateway.create(TARGET);
  const broken = await gateway.create(BROKEN);
  await gateway.server.close();

  // a clock that runs
  const again = await started({ bindings, state, clock: movableClock({ start: gateway.server.clock.now() + 60_000 }) });
  await expect.poll(() => statusIn(again, gateway.id, made.targetId as string)).toBe('READY');
  await expect.poll(() => statusIn(again, gateway.id, broken.targetId as string)).toBe('FAILED');
  const url = `${again.server.url}/gateways/${gateway.id}/mcp`;
  expect((await (await connected(url)).listTools()).tools.map(({ name }) => name)).toEqual(['Tools___echo']);
});

test('a reset ends a look, and the server goes on', async () => {
  const { hold, bindings } = await slowServer();
  const gateway = await withTargets({ bindings });
  const { server } = gateway;
  const held = hold();
  await gateway.create(TARGET);
  const moved = server.clock.advance(2_000);
  await held.asked();
  const reset = await fetch(`${server.url}/_rondo/reset`, { method: 'POST', headers: { authorization: `Bearer ${server.adminToken}` } });
  expect(reset.status).toBe(200);
  await moved;
  held.answer();
  const { gatewayId = '' } = await gateway.controls.send(new control.CreateGatewayCommand({ ...CREATE, ...OPEN }));
  await server.clock.advance(2_000);
  const { targetId = '' } = await gateway.controls.send(
    new control.CreateGatewayTargetCommand({ gatewayIdentifier: gatewayId, ...TARGET }),
  );
  await server.clock.advance(2_000);
  expect(await statusIn(gateway, gatewayId, targetId)).toBe('READY');
});
