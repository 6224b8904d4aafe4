import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { beforeAll, expect, test } from 'vitest';
import { answers, executed } from '../../scripts/agentcore-operations.ts';
import { model, shapeOf } from '../../src/adapters/agentcore/wire/model/model.ts';
import { eventually } from '../kit/time.ts';
import { CREATE, refunds } from './gateway/kit.ts';
import { call, deployed, IMAGE, sessionId } from './runtime.ts';

const MODELS = new URL('fixtures/models.ts', import.meta.url).pathname;
const ROLE = 'arn:aws:iam::123456789012:role/rt';
const RUNTIME = {
  roleArn: ROLE,
  networkConfiguration: { networkMode: 'PUBLIC' as const },
  agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
};
const say = (text: string): data.PayloadType => ({ conversational: { role: 'USER', content: { text } } });
const tokenOf = (name: string) => name.padEnd(40, '0');
const SETTLES = 3_000;

/** Operations that are executed, and that the clients send with a `clientToken`, as the model says. */
let named: readonly string[] = [];
beforeAll(async () => {
  const found = executed(await answers());
  named = found.filter(({ plane, input }) => 'clientToken' in shapeOf(plane, input).members).map(({ name }) => name);
});

async function world() {
  const bindings = { 'model:default': `${MODELS}#broken` } as const;
  const of = await deployed({}, { bindings: { ...bindings, [`container:${IMAGE}`]: { command: ['node', 'none'] } }, throttle: false });
  const { controls, client, server } = of;
  const { memory } = await controls.send(
    new control.CreateMemoryCommand({
      name: 'support',
      eventExpiryDuration: 30,
      memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'] } }],
    }),
  );
  const { gatewayId: gatewayIdentifier, gatewayArn } = await controls.send(new control.CreateGatewayCommand(CREATE));
  const { protocolType: _, ...plain } = CREATE;
  const http = { ...plain, name: 'Http' } as control.CreateGatewayCommandInput;
  const { gatewayId: httpGateway } = await controls.send(new control.CreateGatewayCommand(http));
  const { policyEngineId } = await controls.send(new control.CreatePolicyEngineCommand({ name: 'rules' }));
  await server.clock.advance(SETTLES);
  await controls.send(new control.CreateGatewayTargetCommand({ gatewayIdentifier, ...refunds('First') }));
  const passthrough = { endpoint: 'https://orders.example', protocolType: 'CUSTOM' as const };
  const orders = { gatewayIdentifier: httpGateway, name: 'orders', targetConfiguration: { http: { passthrough } } };
  await controls.send(new control.CreateGatewayTargetCommand(orders));
  await controls.send(new control.CreateAgentRuntimeEndpointCommand({ agentRuntimeId: of.id, name: 'old' }));
  const memoryId = memory?.id as string;
  const at = { memoryId, actorId: 'alice', sessionId: 'chat-1' };
  await client.send(new data.CreateEventCommand({ ...at, eventTimestamp: new Date(server.clock.now()), payload: [say('I like tea.')] }));
  await server.clock.advance(SETTLES);
  const jobs = async () => (await client.send(new data.ListMemoryExtractionJobsCommand({ memoryId }))).jobs ?? [];
  await eventually(async () => expect(await jobs()).toHaveLength(1));
  return { of, at, gatewayIdentifier, httpGateway, gatewayArn, policyEngineId, jobId: (await jobs())[0]?.jobID };
}

/** What each operation is asked for, in an order in which all succeed. */
function inputs({ of, at, gatewayIdentifier, httpGateway, gatewayArn, policyEngineId, jobId }: Awaited<ReturnType<typeof world>>) {
  const agentRuntimeId = of.id;
  const { memoryId } = at;
  const timestamp = new Date(of.server.clock.now());
  const limit = (key: 'targetName' | 'toolName') => ({
    dimensionKeys: [key],
    entries: [{ dimensions: { [key]: '*' }, requests: [{ rate: 4, period: 'minute' }] }],
  });
  return {
    CreateEvent: { ...at, eventTimestamp: timestamp, payload: [say('I like cocoa.')] },
    IngestData: { memoryId, actorId: 'bob', contentTimestamp: timestamp, source: { inline: { payload: [say('I like milk.')] } } },
    BatchCreateMemoryRecords: {
      memoryId,
      records: [{ requestIdentifier: 'r', namespaces: ['/a/'], content: { text: 'one' }, timestamp }],
    },
    StartMemoryExtractionJob: { memoryId, extractionJob: { jobId } },
    UpdateMemory: { memoryId, description: 'changed' },
    CreateMemory: { name: 'other', eventExpiryDuration: 30 },
    CreateGateway: { ...CREATE, name: 'Other' },
    CreateGatewayTarget: { gatewayIdentifier, ...refunds('Second') },
    CreateGatewayRateLimit: { gatewayIdentifier, ...limit('targetName') },
    BatchPutGatewayRateLimits: { gatewayIdentifier, rateLimits: [limit('toolName')] },
    CreateGatewayRule: {
      gatewayIdentifier: httpGateway,
      priority: 1,
      actions: [{ routeToTarget: { staticRoute: { targetName: 'orders' } } }],
    },
    CreatePolicyEngine: { name: 'other' },
    CreatePolicy: {
      policyEngineId,
      name: 'open',
      validationMode: 'IGNORE_ALL_FINDINGS',
      definition: { cedar: { statement: `permit(principal, action, resource == AgentCore::Gateway::"${gatewayArn}");` } },
    },
    StartPolicyGeneration: { policyEngineId, name: 'rules', resource: { arn: gatewayArn }, content: { rawText: 'Be kind.' } },
    CreateAgentRuntime: { ...RUNTIME, agentRuntimeName: 'other' },
    UpdateAgentRuntime: { ...RUNTIME, agentRuntimeId },
    CreateAgentRuntimeEndpoint: { agentRuntimeId, name: 'new' },
    UpdateAgentRuntimeEndpoint: { agentRuntimeId, endpointName: 'old', description: 'changed' },
    DeleteAgentRuntimeEndpoint: { agentRuntimeId, endpointName: 'old' },
    DeleteAgentRuntime: { agentRuntimeId },
    DeleteMemory: { memoryId },
  };
}

type Sender = { send(command: unknown): Promise<object> };
type Command = new (input: object) => unknown;

test('each operation with a clientToken answers a retry as it answered the first request, also when its resource is gone', async () => {
  const all = await world();
  const asked = inputs(all);
  // it has a test with a session of its own, below
  expect([...Object.keys(asked), 'StopRuntimeSession'].sort()).toEqual([...named].sort());
  const packages = { data, control } as unknown as Record<string, Record<string, Command>>;
  const { of } = all;
  for (const [name, input] of Object.entries(asked)) {
    const { plane } = model().operations.find((operation) => operation.name === name) ?? {};
    const Made = packages[plane as string]?.[`${name}Command`] as Command;
    const client = (plane === 'data' ? of.client : of.controls) as unknown as Sender;
    const sent = async () => {
      const { $metadata: _, ...answer } = (await client.send(new Made({ ...input, clientToken: tokenOf(name) }))) as { $metadata: object };
      return answer;
    };
    const first = await sent();
    await of.server.clock.advance(SETTLES);
    expect(await sent(), name).toEqual(first);
  }
});

test('a stop that is retried with its clientToken finds no session, and is answered as the first', async () => {
  const of = await deployed();
  await call(of, 'one', { act: 'pid' });
  const command = { agentRuntimeArn: of.arn, runtimeSessionId: sessionId('one'), clientToken: tokenOf('stop') };
  const { $metadata: _, ...first } = await of.client.send(new data.StopRuntimeSessionCommand(command));
  expect(await of.client.send(new data.StopRuntimeSessionCommand(command))).toMatchObject(first);
});

test('a deletion that is retried ends no session of an endpoint that has its name since', async () => {
  const of = await deployed();
  const named = { agentRuntimeId: of.id, name: 'blue' };
  const create = async () => {
    await of.controls.send(new control.CreateAgentRuntimeEndpointCommand(named));
    await of.server.clock.advance(SETTLES);
  };
  const remove = async () => {
    const asked = { agentRuntimeId: of.id, endpointName: 'blue', clientToken: tokenOf('remove') };
    await of.controls.send(new control.DeleteAgentRuntimeEndpointCommand(asked));
    await of.server.clock.advance(SETTLES);
  };
  const pid = () => call<{ pid: number }>(of, 'one', { act: 'pid' }, { qualifier: 'blue' });
  await create();
  const before = await pid();
  await remove();
  await eventually(async () => expect(of.server.sessions().running).toEqual([]));
  await create();
  const after = await pid();
  expect(after).not.toEqual(before);
  await remove();
  expect(await pid()).toEqual(after);
});
