import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { CREATE } from './gateway/kit.ts';
import { deployed } from './runtime.ts';

type Sent = Record<string, unknown>;

/** A resource of each kind that has tags, with what deletes it. The ARN of an OAuth2 provider is none that the model admits for tags. */
async function each() {
  const { server, controls, arn: runtime, id: agentRuntimeId } = await deployed({ tags: { a: 'b' } }, { throttle: false });
  const send = (command: unknown): Promise<Sent> => controls.send(command as control.GetMemoryCommand) as unknown as Promise<Sent>;
  const tags = { a: 'b' };
  const endpoint = await send(new control.CreateAgentRuntimeEndpointCommand({ agentRuntimeId, name: 'blue', tags }));
  const memory = (await send(new control.CreateMemoryCommand({ name: 'support', eventExpiryDuration: 30, tags }))).memory as control.Memory;
  const gateway = await send(new control.CreateGatewayCommand({ ...CREATE, tags }));
  const engine = await send(new control.CreatePolicyEngineCommand({ name: 'rules', tags }));
  const workload = await send(new control.CreateWorkloadIdentityCommand({ name: 'desk', tags }));
  const key = await send(new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'k', tags }));
  await server.clock.advance(2_000);
  const resources: [kind: string, arn: unknown, removal: unknown][] = [
    ['endpoint', endpoint.agentRuntimeEndpointArn, new control.DeleteAgentRuntimeEndpointCommand({ agentRuntimeId, endpointName: 'blue' })],
    ['runtime', runtime, new control.DeleteAgentRuntimeCommand({ agentRuntimeId })],
    ['memory', memory.arn, new control.DeleteMemoryCommand({ memoryId: memory.id })],
    ['gateway', gateway.gatewayArn, new control.DeleteGatewayCommand({ gatewayIdentifier: gateway.gatewayId as string })],
    ['engine', engine.policyEngineArn, new control.DeletePolicyEngineCommand({ policyEngineId: engine.policyEngineId as string })],
    ['workload', workload.workloadIdentityArn, new control.DeleteWorkloadIdentityCommand({ name: 'desk' })],
    ['API key', key.credentialProviderArn, new control.DeleteApiKeyCredentialProviderCommand({ name: 'weather' })],
  ];
  /** Lists the tags and changes them. @returns what a client is told. */
  const tagged = async (resourceArn: string) => {
    const told: unknown[] = [];
    for (const command of [
      new control.ListTagsForResourceCommand({ resourceArn }),
      new control.TagResourceCommand({ resourceArn, tags: { c: 'd' } }),
      new control.UntagResourceCommand({ resourceArn, tagKeys: ['a'] }),
    ])
      told.push(
        await send(command).then(
          ({ tags }) => tags ?? 'done',
          ({ name }) => name,
        ),
      );
    return told;
  };
  return { server, send, tagged, resources: resources.map(([kind, arn, removal]) => ({ kind, arn: arn as string, removal })) };
}

const NOT_FOUND = Array(3).fill('ResourceNotFoundException');

test('an ARN of another region or account has no tags here, and changes none', async () => {
  const { tagged, resources } = await each();
  for (const { kind, arn } of resources) {
    expect(await tagged(arn.replace('us-east-1', 'eu-west-1')), kind).toEqual(NOT_FOUND);
    expect(await tagged(arn.replace('123456789012', '999999999999')), kind).toEqual(NOT_FOUND);
    expect(await tagged(arn), kind).toEqual([{ a: 'b' }, 'done', 'done']);
  }
});

test('a resource that was deleted has no tags', async () => {
  const { server, send, tagged, resources } = await each();
  for (const { removal } of resources) await send(removal);
  await server.clock.advance(2_000);
  for (const { kind, arn } of resources) expect(await tagged(arn), kind).toEqual(NOT_FOUND);
});
