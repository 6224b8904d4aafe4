import { join } from 'node:path';
import {
  BatchPutGatewayRateLimitsCommand,
  CreateGatewayCommand,
  CreateGatewayRateLimitCommand,
  CreateGatewayTargetCommand,
  DeleteGatewayCommand,
  DeleteGatewayRateLimitCommand,
  DeleteGatewayTargetCommand,
  GetGatewayCommand,
  GetGatewayRateLimitCommand,
  GetGatewayTargetCommand,
  ListGatewayRateLimitsCommand,
  ListGatewaysCommand,
  ListGatewayTargetsCommand,
  ListTagsForResourceCommand,
  ListWorkloadIdentitiesCommand,
  SynchronizeGatewayTargetsCommand,
  UpdateGatewayCommand,
  UpdateGatewayRateLimitCommand,
  UpdateGatewayTargetCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { describe, expect, test } from 'vitest';
import { movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../../kit/folder.ts';
import { CREATE, refunds, started, withGateway } from './kit.ts';

const JWT = { customJWTAuthorizer: { discoveryUrl: 'https://idp.example/.well-known/openid-configuration', allowedClients: ['web'] } };
const TOKEN = 'a'.repeat(40);

describe('a gateway', () => {
  test('is created, changed and deleted, each with its status on the clock of the server', async () => {
    const { controls, server } = await started();
    const input = {
      ...CREATE,
      description: 'the desk',
      tags: { team: 'a' },
      protocolConfiguration: { mcp: { searchType: 'SEMANTIC' as const } },
    };
    const made = await controls.send(new CreateGatewayCommand(input));
    const { gatewayId: id = '', gatewayArn, gatewayUrl } = made;
    expect(id).toMatch(/^desk-[0-9a-z]{10}$/);
    expect(gatewayArn).toBe(`arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/${id}`);
    expect(gatewayUrl).toBe(`${server.url}/gateways/${id}/mcp`);
    expect(made).toMatchObject({ name: 'Desk', status: 'CREATING', roleArn: CREATE.roleArn, createdAt: new Date(server.clock.now()) });
    const status = async () => (await controls.send(new GetGatewayCommand({ gatewayIdentifier: id }))).status;
    await server.clock.advance(1_999);
    expect(await status()).toBe('CREATING');
    await server.clock.advance(1);
    expect(await status()).toBe('READY');
    expect((await controls.send(new ListTagsForResourceCommand({ resourceArn: gatewayArn }))).tags).toEqual({ team: 'a' });
    const { workloadIdentities = [] } = await controls.send(new ListWorkloadIdentitiesCommand({}));
    expect(workloadIdentities.map(({ name }) => name)).toEqual([id]);

    const { description: _, tags: __, ...rest } = input;
    const update = { ...rest, gatewayIdentifier: id, authorizerType: 'CUSTOM_JWT' as const, authorizerConfiguration: JWT };
    const updated = await controls.send(new UpdateGatewayCommand(update));
    expect(updated).toMatchObject({ status: 'UPDATING', authorizerConfiguration: JWT });
    expect(updated.description).toBeUndefined();
    await expect(controls.send(new UpdateGatewayCommand(update))).rejects.toMatchObject({ name: 'ConflictException' });
    await server.clock.advance(2_000);
    expect(await status()).toBe('READY');

    expect(await controls.send(new DeleteGatewayCommand({ gatewayIdentifier: id }))).toMatchObject({ gatewayId: id, status: 'DELETING' });
    expect(await status()).toBe('DELETING');
    await server.clock.advance(2_000);
    await expect(status()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect((await controls.send(new ListGatewaysCommand({}))).items).toEqual([]);
  });

  test('is one for a client token, and another input with it is a conflict; a name is used once', async () => {
    const { controls } = await started();
    const send = (more: object) => controls.send(new CreateGatewayCommand({ ...CREATE, ...more }));
    const first = await send({ clientToken: TOKEN });
    expect((await send({ clientToken: TOKEN })).gatewayId).toBe(first.gatewayId);
    await expect(send({ clientToken: TOKEN, description: 'other' })).rejects.toMatchObject({ name: 'ConflictException' });
    await expect(send({})).rejects.toMatchObject({ name: 'ConflictException', message: expect.stringContaining('Desk') });
    expect((await controls.send(new ListGatewaysCommand({}))).items).toHaveLength(1);
  });

  test.each<[string, object, string]>([
    ['a JWT authorizer without its configuration', { authorizerType: 'CUSTOM_JWT' }, 'authorizerConfiguration'],
    ['a configuration without a JWT authorizer', { authorizerConfiguration: JWT }, 'authorizerConfiguration'],
    [
      'an authorizer that takes any token of the issuer',
      {
        authorizerType: 'CUSTOM_JWT',
        authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl: JWT.customJWTAuthorizer.discoveryUrl } },
      },
      'allowedAudience',
    ],
    ['an MCP version that is not there', { protocolConfiguration: { mcp: { supportedVersions: ['2024-11-05'] } } }, '2024-11-05'],
    ['a name of the wrong form', { name: 'a_b' }, 'name'],
    [
      'two interceptors at one point',
      {
        interceptorConfigurations: ['a', 'b'].map((name) => ({
          interceptor: { lambda: { arn: `arn:aws:lambda:us-east-1:123456789012:function:${name}` } },
          interceptionPoints: ['REQUEST'],
        })),
      },
      'interception point',
    ],
    ['a session of a minute', { protocolConfiguration: { mcp: { sessionConfiguration: { sessionTimeoutInSeconds: 60 } } } }, '900'],
  ])('%s is refused', async (_, more, why) => {
    const { controls } = await started();
    await expect(controls.send(new CreateGatewayCommand({ ...CREATE, ...more }))).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining(why),
    });
  });

  test('keeps its name and its search, and is deleted after its targets', async () => {
    const { controls, id, target, server } = await withGateway();
    const { id: targetId } = await target(refunds());
    const update = (more: object) => controls.send(new UpdateGatewayCommand({ ...CREATE, gatewayIdentifier: id, ...more }));
    await expect(update({ name: 'Other' })).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(update({ protocolConfiguration: { mcp: { searchType: 'SEMANTIC' } } })).rejects.toMatchObject({
      name: 'ValidationException',
    });
    await expect(controls.send(new DeleteGatewayCommand({ gatewayIdentifier: id }))).rejects.toMatchObject({ name: 'ConflictException' });
    await controls.send(new DeleteGatewayTargetCommand({ gatewayIdentifier: id, targetId }));
    await server.clock.advance(2_000);
    expect((await controls.send(new DeleteGatewayCommand({ gatewayIdentifier: id }))).status).toBe('DELETING');
  });

  test('is there again after a restart with the same state', async () => {
    const state = join(folder('gateway'), 'state.sqlite');
    const { id, target, server } = await withGateway({}, { state });
    await target(refunds());
    await server.close();
    const { controls } = await started({ state, clock: movableClock({ frozen: true, start: server.clock.now() }) });
    expect(await controls.send(new GetGatewayCommand({ gatewayIdentifier: id }))).toMatchObject({ status: 'READY', name: 'Desk' });
    expect((await controls.send(new ListGatewayTargetsCommand({ gatewayIdentifier: id }))).items).toMatchObject([{ name: 'Refund' }]);
  });
});

describe('a target', () => {
  test('is created, changed and deleted', async () => {
    const { controls, id, server } = await withGateway();
    const made = await controls.send(new CreateGatewayTargetCommand({ gatewayIdentifier: id, ...refunds() }));
    const named = { gatewayIdentifier: id, targetId: made.targetId };
    expect(made).toMatchObject({ status: 'CREATING', name: 'Refund', ...refunds() });
    await server.clock.advance(2_000);
    const summary = { targetId: made.targetId, status: 'READY', targetType: 'LAMBDA', name: 'Refund' };
    expect((await controls.send(new ListGatewayTargetsCommand({ gatewayIdentifier: id }))).items).toMatchObject([summary]);
    expect(await controls.send(new UpdateGatewayTargetCommand({ ...named, ...refunds('Money') }))).toMatchObject({
      status: 'UPDATING',
      name: 'Money',
    });
    await expect(controls.send(new UpdateGatewayTargetCommand({ ...named, ...refunds('Cash') }))).rejects.toMatchObject({
      name: 'ConflictException',
    });
    await server.clock.advance(2_000);
    expect((await controls.send(new GetGatewayTargetCommand(named))).status).toBe('READY');
    expect((await controls.send(new DeleteGatewayTargetCommand(named))).status).toBe('DELETING');
    await server.clock.advance(2_000);
    await expect(controls.send(new GetGatewayTargetCommand(named))).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  test('waits for its gateway, and has a name of its own', async () => {
    const { controls } = await started();
    const { gatewayId } = await controls.send(new CreateGatewayCommand(CREATE));
    const send = (of: object) => controls.send(new CreateGatewayTargetCommand({ gatewayIdentifier: gatewayId, ...refunds(), ...of }));
    await expect(send({})).rejects.toMatchObject({ name: 'ConflictException', message: expect.stringContaining('CREATING') });
    const { target } = await withGateway();
    await target(refunds());
    await expect(target(refunds())).rejects.toMatchObject({ name: 'ConflictException' });
  });

  test.each<[string, object, string, string]>([
    [
      'a Lambda without the role of the gateway',
      { credentialProviderConfigurations: undefined },
      'ValidationException',
      'GATEWAY_IAM_ROLE',
    ],
    [
      'a Lambda with an API key',
      {
        credentialProviderConfigurations: [
          {
            credentialProviderType: 'API_KEY',
            credentialProvider: { apiKeyCredentialProvider: { providerArn: 'arn:aws:a:b:123456789012:c' } },
          },
        ],
      },
      'ValidationException',
      'API_KEY',
    ],
    [
      'an MCP server with the keys of the caller, which AWS takes for targets of http',
      {
        targetConfiguration: { mcp: { mcpServer: { endpoint: 'https://tools.example/mcp' } } },
        credentialProviderConfigurations: [{ credentialProviderType: 'CALLER_IAM_CREDENTIALS' }],
      },
      'ValidationException',
      'CALLER_IAM_CREDENTIALS',
    ],
    ['two tools of one name', refunds('Twice', ['a', 'a']), 'ValidationException', 'two tools'],
    ['a tool with a space in its name', refunds('Odd', ['a b']), 'ValidationException', 'a b'],
    [
      'more than 1,000 tools',
      refunds(
        'Many',
        Array.from({ length: 1_001 }, (_, i) => `t${i}`),
      ),
      'ServiceQuotaExceededException',
      '1000',
    ],
    [
      'an HTTP target in a gateway of MCP',
      { targetConfiguration: { http: { passthrough: { endpoint: 'https://a.example', protocolType: 'CUSTOM' } } } },
      'ValidationException',
      'protocolType',
    ],
    [
      'an MCP server without TLS',
      { targetConfiguration: { mcp: { mcpServer: { endpoint: 'http://a.example/mcp' } } } },
      'ValidationException',
      'endpoint',
    ],
    [
      'a connector that is not executed',
      { targetConfiguration: { mcp: { connector: { source: { connectorId: 'bedrock-knowledge-bases' } } } } },
      'NotImplementedException',
      'bedrock-knowledge-bases',
    ],
    [
      'web search without the configuration of its tool',
      { targetConfiguration: { mcp: { connector: { source: { connectorId: 'web-search' } } } } },
      'ValidationException',
      'WebSearch',
    ],
  ])('%s is refused', async (_, of, name, why) => {
    const { target } = await withGateway();
    await expect(target({ ...refunds(), ...of })).rejects.toMatchObject({ name, message: expect.stringContaining(why) });
  });

  test('is one of at most 100', async () => {
    const { target, controls, id } = await withGateway();
    for (let i = 0; i < 100; i++) await controls.send(new CreateGatewayTargetCommand({ gatewayIdentifier: id, ...refunds(`t${i}`) }));
    await expect(target(refunds())).rejects.toMatchObject({ name: 'ServiceQuotaExceededException' });
    const first = await controls.send(new ListGatewayTargetsCommand({ gatewayIdentifier: id, maxResults: 60 }));
    const second = await controls.send(new ListGatewayTargetsCommand({ gatewayIdentifier: id, nextToken: first.nextToken }));
    expect([...(first.items ?? []), ...(second.items ?? [])].map(({ name }) => name)).toEqual(
      Array.from({ length: 100 }, (_, i) => `t${i}`),
    );
  });

  test('that is not an MCP server has nothing to synchronize', async () => {
    const { target, controls, id } = await withGateway();
    const { id: targetId } = await target(refunds());
    await expect(
      controls.send(new SynchronizeGatewayTargetsCommand({ gatewayIdentifier: id, targetIdList: [targetId] })),
    ).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining('MCP server') });
  });
});

describe('a rate limit', () => {
  const keys = { dimensionKeys: ['targetName', 'toolName'] };
  const entry = (targetName: string, toolName: string, rate = 5) => ({
    dimensions: { targetName, toolName },
    requests: [{ rate, period: 'minute' as const }],
  });
  test('is created, changed and deleted, and takes 30 seconds', async () => {
    const { controls, id: gatewayIdentifier, server } = await withGateway();
    const made = await controls.send(new CreateGatewayRateLimitCommand({ gatewayIdentifier, ...keys, entries: [entry('Refund', '*')] }));
    const named = { gatewayIdentifier, rateLimitId: made.rateLimitId };
    expect(made).toMatchObject({ status: 'CREATING', ...keys });
    await server.clock.advance(29_999);
    expect((await controls.send(new GetGatewayRateLimitCommand(named))).status).toBe('CREATING');
    await server.clock.advance(1);
    const entries = [entry('Refund', 'process', 1)];
    expect(await controls.send(new UpdateGatewayRateLimitCommand({ ...named, entries }))).toMatchObject({ status: 'UPDATING', entries });
    await server.clock.advance(30_000);
    expect((await controls.send(new ListGatewayRateLimitsCommand({ gatewayIdentifier }))).rateLimits).toMatchObject([
      { entries, status: 'ACTIVE' },
    ]);
    expect((await controls.send(new DeleteGatewayRateLimitCommand(named))).status).toBe('DELETING');
  });

  test('of the same keys is another only by its entries; a batch puts all of them or none', async () => {
    const { controls, id: gatewayIdentifier } = await withGateway();
    const create = new CreateGatewayRateLimitCommand({ gatewayIdentifier, ...keys, entries: [entry('a', '*')] });
    await controls.send(create);
    await expect(controls.send(create)).rejects.toMatchObject({ name: 'ConflictException' });
    const listed = async () => (await controls.send(new ListGatewayRateLimitsCommand({ gatewayIdentifier }))).rateLimits;
    const more = {
      dimensionKeys: ['targetName'],
      entries: [{ dimensions: { targetName: '*' }, requests: [{ rate: 1, period: 'second' as const }] }],
    };
    const batch = (...rateLimits: object[]) =>
      controls.send(new BatchPutGatewayRateLimitsCommand({ gatewayIdentifier, rateLimits: rateLimits as never }));
    await expect(batch(more, { ...keys, entries: [entry('*', 'process')] })).rejects.toMatchObject({ name: 'ValidationException' });
    expect(await listed()).toHaveLength(1);
    await batch(more, { ...keys, entries: [entry('b', '*')] });
    expect(await listed()).toMatchObject([{ entries: [entry('b', '*')] }, more]);
  });

  test.each<[string, object]>([
    ['with another dimension', { ...keys, entries: [{ dimensions: { targetName: 'a' }, requests: [{ rate: 1, period: 'second' }] }] }],
    ['with "*" before a value', { ...keys, entries: [entry('*', 'process')] }],
    ['with the same entry twice', { ...keys, entries: [entry('a', 'b'), entry('a', 'b', 6)] }],
    [
      'with the same key twice',
      { dimensionKeys: ['toolName', 'toolName'], entries: [{ dimensions: { toolName: 'a' }, requests: [{ rate: 1, period: 'second' }] }] },
    ],
    ['of nothing', { ...keys, entries: [{ dimensions: { targetName: 'a', toolName: 'b' } }] }],
  ])('%s is refused', async (_, of) => {
    const { controls, id: gatewayIdentifier } = await withGateway();
    await expect(
      controls.send(
        new CreateGatewayRateLimitCommand({ gatewayIdentifier, ...(of as never as typeof keys), ...(of as never as { entries: [] }) }),
      ),
    ).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });
});
