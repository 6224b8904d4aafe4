/** What is being deleted takes no call and no change, whatever it is. */
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { until } from '../kit/time.ts';
import { posted, withGateway } from './gateway/kit.ts';
import { call, deployed, IMAGE, sessionId } from './runtime.ts';

const CONFLICT = { name: 'ConflictException', message: expect.stringContaining('DELETING') };
const NOT_FOUND = { name: 'ResourceNotFoundException', message: expect.stringContaining('DELETING') };

/** A runtime with an endpoint. */
async function withEndpoint() {
  const found = await deployed();
  const { controls, server, id: agentRuntimeId } = found;
  await controls.send(new control.CreateAgentRuntimeEndpointCommand({ agentRuntimeId, name: 'prod' }));
  await server.clock.advance(2_000);
  return {
    ...found,
    deleteEndpoint: () => controls.send(new control.DeleteAgentRuntimeEndpointCommand({ agentRuntimeId, endpointName: 'prod' })),
    deleteRuntime: () => controls.send(new control.DeleteAgentRuntimeCommand({ agentRuntimeId })),
  };
}

test.each(['endpoint', 'runtime'] as const)('a session does not start where its %s is DELETING, and those that run end', async (what) => {
  const runtime = await withEndpoint();
  const { server, client, arn: agentRuntimeArn } = runtime;
  const qualifier = 'prod';
  await call(runtime, 'one', { act: 'pid' }, { qualifier });
  await (what === 'endpoint' ? runtime.deleteEndpoint() : runtime.deleteRuntime());
  const at = { agentRuntimeArn, qualifier };
  for (const name of ['one', 'two']) {
    await expect(call(runtime, name, { act: 'pid' }, { qualifier })).rejects.toMatchObject(NOT_FOUND);
    const named = { ...at, runtimeSessionId: sessionId(name) };
    await expect(client.send(new data.InvokeAgentRuntimeCommandCommand({ ...named, body: { command: 'true' } }))).rejects.toMatchObject(
      NOT_FOUND,
    );
    await expect(client.send(new data.GetAgentCardCommand(named))).rejects.toMatchObject(NOT_FOUND);
  }
  await until(() => server.sessions().running.length === 0);
  if (what === 'endpoint') await call(runtime, 'one', { act: 'pid' });
});

test('a runtime and an endpoint that are DELETING are not changed, have no new parts, and are gone in their time', async () => {
  const { controls, server, id: agentRuntimeId, deleteEndpoint, deleteRuntime } = await withEndpoint();
  await deleteEndpoint();
  await server.clock.advance(1_000);
  expect((await deleteEndpoint()).status).toBe('DELETING');
  const prod = { agentRuntimeId, endpointName: 'prod' };
  await expect(controls.send(new control.UpdateAgentRuntimeEndpointCommand({ ...prod, agentRuntimeVersion: '1' }))).rejects.toMatchObject(
    CONFLICT,
  );
  await server.clock.advance(1_000);
  await expect(controls.send(new control.GetAgentRuntimeEndpointCommand(prod))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });

  await deleteRuntime();
  await server.clock.advance(1_000);
  expect((await deleteRuntime()).status).toBe('DELETING');
  await expect(controls.send(new control.CreateAgentRuntimeEndpointCommand({ agentRuntimeId, name: 'late' }))).rejects.toMatchObject(
    CONFLICT,
  );
  const update = {
    agentRuntimeId,
    roleArn: 'arn:aws:iam::123456789012:role/rt',
    networkConfiguration: { networkMode: 'PUBLIC' as const },
    agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
  };
  await expect(controls.send(new control.UpdateAgentRuntimeCommand(update))).rejects.toMatchObject(CONFLICT);
  await server.clock.advance(1_000);
  await expect(controls.send(new control.GetAgentRuntimeCommand({ agentRuntimeId }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
});

test('a gateway that is DELETING answers no request and has no new parts', async () => {
  const { controls, id: gatewayIdentifier, url } = await withGateway({ authorizerType: 'NONE' });
  const limit = {
    dimensionKeys: ['targetName'],
    entries: [{ dimensions: { targetName: '*' }, requests: [{ rate: 1, period: 'second' as const }] }],
  };
  await controls.send(new control.DeleteGatewayCommand({ gatewayIdentifier }));
  const { status, body } = await posted(url, {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'a', version: '1' } },
  });
  expect([status, JSON.stringify(body)]).toEqual([404, expect.stringContaining('DELETING')]);
  await expect(controls.send(new control.CreateGatewayRateLimitCommand({ gatewayIdentifier, ...limit }))).rejects.toMatchObject(CONFLICT);
  await expect(
    controls.send(new control.BatchPutGatewayRateLimitsCommand({ gatewayIdentifier, rateLimits: [limit] })),
  ).rejects.toMatchObject(CONFLICT);
  const lambda = {
    lambdaArn: 'arn:aws:lambda:us-east-1:123456789012:function:a',
    toolSchema: { inlinePayload: [{ name: 'a', description: 'a', inputSchema: { type: 'object' as const } }] },
  };
  const target = {
    name: 'A',
    targetConfiguration: { mcp: { lambda } },
    credentialProviderConfigurations: [{ credentialProviderType: 'GATEWAY_IAM_ROLE' as const }],
  };
  await expect(controls.send(new control.CreateGatewayTargetCommand({ gatewayIdentifier, ...target }))).rejects.toMatchObject(CONFLICT);
});
