import {
  CreateGatewayRateLimitCommand,
  DeleteGatewayRateLimitCommand,
  UpdateGatewayRateLimitCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { agent, Engine } from 'rondo';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test } from 'vitest';
import { agentcoreGateway } from '../../../src/adapters/agentcore/gateway/index.ts';
import { asks, failure, shown } from '../../kit/runs.ts';
import { issuer } from '../../server/issuer.ts';
import { BINDINGS, connected, refunds, withGateway } from './kit.ts';

const perMinute = (rate: number) => [{ rate, period: 'minute' as const }];

/** How many of the calls ran, and the error of the first that did not. */
async function calls(client: Awaited<ReturnType<typeof connected>>, name: string, times: number) {
  let ran = 0;
  for (let i = 0; i < times; i++) {
    const error = await client.callTool({ name, arguments: { amount: 1 } }).then(
      () => undefined,
      (refused) => refused,
    );
    if (error) return { ran, error: error as { code: number; data: unknown } };
    ran++;
  }
  return { ran, error: undefined };
}

test('the most specific entry decides, its bucket fills again on the clock of the server, and it holds after 30 seconds', async () => {
  const { url, target, controls, id: gatewayIdentifier, server } = await withGateway({ authorizerType: 'NONE' }, { bindings: BINDINGS });
  await target(refunds('Refund', ['process', 'cancel']));
  const client = await connected(url);
  const { rateLimitId } = await controls.send(
    new CreateGatewayRateLimitCommand({
      gatewayIdentifier,
      dimensionKeys: ['targetName', 'toolName'],
      entries: [
        { dimensions: { targetName: 'Refund', toolName: '*' }, requests: perMinute(4) },
        { dimensions: { targetName: 'Refund', toolName: 'process' }, requests: perMinute(2) },
      ],
    }),
  );
  // not everywhere known yet
  expect(await calls(client, 'Refund___process', 5)).toMatchObject({ ran: 5 });
  await server.clock.advance(30_000);
  expect(await calls(client, 'Refund___process', 5)).toMatchObject({
    ran: 2,
    error: { code: -32003, data: { limitKey: 'targetName=Refund,toolName=process', metric: 'requests', retryAfter: 30 } },
  });
  expect(await calls(client, 'Refund___cancel', 6)).toMatchObject({ ran: 4 });
  expect(server.calls().at(-1)).toMatchObject({ error: 'InvalidRequest', rule: expect.stringContaining('toolName=cancel') });
  await server.clock.advance(29_999);
  expect(await calls(client, 'Refund___process', 1)).toMatchObject({ ran: 0 });
  await server.clock.advance(1);
  expect(await calls(client, 'Refund___process', 2)).toMatchObject({ ran: 1 });
  // another target does not make the limits begin again
  await target(refunds('Other'));
  expect(await calls(await connected(url), 'Refund___process', 1)).toMatchObject({ ran: 0 });
  const entries = [{ dimensions: { targetName: '*', toolName: '*' }, requests: perMinute(100) }];
  await controls.send(new UpdateGatewayRateLimitCommand({ gatewayIdentifier, rateLimitId, entries }));
  expect(await calls(client, 'Refund___process', 9)).toMatchObject({ ran: 9 });
  await controls.send(new DeleteGatewayRateLimitCommand({ gatewayIdentifier, rateLimitId }));
});

test('a limit that stays as it is goes on counting when another one is changed or deleted', async () => {
  const { url, target, controls, id: gatewayIdentifier, server } = await withGateway({ authorizerType: 'NONE' }, { bindings: BINDINGS });
  await target(refunds('Refund', ['process', 'cancel']));
  const client = await connected(url);
  const limit = async (dimensions: Record<string, string>, rate: number) => {
    const entries = [{ dimensions, requests: perMinute(rate) }];
    const dimensionKeys = Object.keys(dimensions);
    return (await controls.send(new CreateGatewayRateLimitCommand({ gatewayIdentifier, dimensionKeys, entries }))).rateLimitId;
  };
  const rateLimitId = await limit({ targetName: 'Refund', toolName: 'cancel' }, 5);
  await limit({ toolName: 'process' }, 2);
  await server.clock.advance(30_000);
  expect(await calls(client, 'Refund___process', 5)).toMatchObject({ ran: 2 });
  const entries = [{ dimensions: { targetName: 'Refund', toolName: 'cancel' }, requests: perMinute(6) }];
  await controls.send(new UpdateGatewayRateLimitCommand({ gatewayIdentifier, rateLimitId, entries }));
  expect(await calls(client, 'Refund___process', 5)).toMatchObject({ ran: 0 });
  expect(await calls(client, 'Refund___cancel', 9)).toMatchObject({ ran: 6 });
  await server.clock.advance(2_000);
  await controls.send(new DeleteGatewayRateLimitCommand({ gatewayIdentifier, rateLimitId }));
  expect(await calls(client, 'Refund___process', 5)).toMatchObject({ ran: 0 });
});

test('a claim of the caller is a dimension, each value with a bucket of its own; listing is not limited', async () => {
  const idp = await issuer();
  const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
  const { url, target, controls, id, server } = await withGateway(
    { authorizerType: 'CUSTOM_JWT', authorizerConfiguration: authorizer },
    { bindings: BINDINGS },
  );
  await target(refunds());
  await controls.send(
    new CreateGatewayRateLimitCommand({
      gatewayIdentifier: id,
      dimensionKeys: ['$.context.jwt.team'],
      entries: [{ dimensions: { '$.context.jwt.team': '*' }, requests: perMinute(1) }],
    }),
  );
  await server.clock.advance(30_000);
  for (const [sub, team, ran] of [
    ['ana', 'a', 1],
    ['bob', 'a', 0],
    ['cid', 'b', 1],
  ] as const) {
    const client = await connected(url, { token: await idp.token({ sub, team, client_id: 'web' }, { expires: '1h' }) });
    expect((await client.listTools()).tools).toHaveLength(1);
    expect(await calls(client, 'Refund___process', 1), sub).toMatchObject({ ran });
  }
});

test('a change of a new limit does not put it in force before its 30 seconds are over', async () => {
  const { url, target, controls, id: gatewayIdentifier, server } = await withGateway({ authorizerType: 'NONE' }, { bindings: BINDINGS });
  await target(refunds());
  const client = await connected(url);
  const entriesOf = (rate: number) => [{ dimensions: { targetName: 'Refund' }, requests: perMinute(rate) }];
  const { rateLimitId } = await controls.send(
    new CreateGatewayRateLimitCommand({ gatewayIdentifier, dimensionKeys: ['targetName'], entries: entriesOf(1) }),
  );
  await server.clock.advance(20_000);
  await controls.send(new UpdateGatewayRateLimitCommand({ gatewayIdentifier, rateLimitId, entries: entriesOf(2) }));
  await server.clock.advance(9_999);
  expect(await calls(client, 'Refund___process', 5)).toMatchObject({ ran: 5 });
  await server.clock.advance(1);
  expect(await calls(client, 'Refund___process', 5)).toMatchObject({ ran: 2 });
});

test('agentcoreGateway() tells of the wait, and that the call did not run', async () => {
  const { url, target, controls, id, server } = await withGateway({}, { bindings: BINDINGS });
  await target(refunds());
  await controls.send(
    new CreateGatewayRateLimitCommand({
      gatewayIdentifier: id,
      dimensionKeys: ['targetName'],
      entries: [{ dimensions: { targetName: 'Refund' }, requests: perMinute(1) }],
    }),
  );
  await server.clock.advance(30_000);
  const CALL = asks(['Refund___process', { amount: 5 }]);
  const model = scripted([CALL, CALL, 'done']);
  const clerk = agent({
    name: 'clerk',
    instructions: '',
    model,
    tools: [agentcoreGateway({ url, region: 'us-east-1', retry: { attempts: 1 } })],
  });
  const engine = new Engine({ agents: [clerk] });
  onTestFinished(() => engine.close());
  await engine.run(clerk, 'go');
  expect(failure(shown(model.requests[2]).at(-1))).toMatchObject({
    code: 'RATE_LIMITED',
    outcome: 'not-run',
    retryable: true,
    retryAfter: 60_000,
  });
});
