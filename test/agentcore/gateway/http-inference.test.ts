/** Models behind gateways as targets of inference: which provider is asked, under which name of the model, and with whose key. */
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import OpenAI from 'openai';
import { expect, test } from 'vitest';
import { started } from '../memory/kit.ts';
import { gatewayOf, type Seen, service } from './http-kit.ts';

const ONE = 'https://one.example';
const TWO = 'https://two.example/api';

type Provider = control.InferenceProviderTargetConfiguration;
const CHAT = '/v1/chat/completions';
const chat = (...models: string[]): Provider['operations'] => [{ path: CHAT, models: models.map((model) => ({ model })) }];

/** Two providers behind a gateway that lets everyone in; each answers with its name and what it was asked. */
async function models(one: Partial<Provider>, two?: Partial<Provider>, gateway: Partial<control.CreateGatewayCommandInput> = {}) {
  const answering =
    (name: string) =>
    ({ body, url, headers }: Seen, response: Parameters<Parameters<typeof service>[0]>[1]) => {
      const { model, stream } = JSON.parse(body) as { model: string; stream?: boolean };
      const text = JSON.stringify({ name, url, model, key: headers['x-api-key'] ?? null, authorization: headers.authorization ?? null });
      if (!stream) {
        const message = { role: 'assistant', content: text };
        return void response.setHeader('content-type', 'application/json').end(JSON.stringify({ choices: [{ index: 0, message }] }));
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const content of [name, '!']) response.write(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`);
      response.end('data: [DONE]\n\n');
    };
  const [first, second] = [await service(answering('one')), await service(answering('two'))];
  const at = (of: { bindings: Record<string, string> }) => Object.values(of.bindings)[0] as string;
  const of = await started({ bindings: { [`url:${ONE}`]: at(first), 'url:https://two.example': at(second) } });
  const { credentialProviderArn: providerArn = '' } = await of.controls.send(
    new control.CreateApiKeyCredentialProviderCommand({ name: 'models', apiKey: 'key-1' }),
  );
  const made = await gatewayOf(of, { authorizerType: 'NONE', ...gateway });
  const target = async (name: string, endpoint: string, provider: Partial<Provider>, keyed: boolean) => {
    const { targetId = '' } = await of.controls.send(
      new control.CreateGatewayTargetCommand({
        gatewayIdentifier: made.id,
        name,
        targetConfiguration: { inference: { provider: { endpoint, ...provider } } },
        ...(keyed && {
          credentialProviderConfigurations: [
            {
              credentialProviderType: 'API_KEY',
              credentialProvider: { apiKeyCredentialProvider: { providerArn, credentialParameterName: 'x-api-key' } },
            },
          ],
        }),
      }),
    );
    await of.server.clock.advance(2_000);
    return of.controls.send(new control.GetGatewayTargetCommand({ gatewayIdentifier: made.id, targetId }));
  };
  expect(await target('one', ONE, one, true)).toMatchObject({ status: 'READY', protocolType: 'HTTP' });
  if (two) await target('two', TWO, two, false);
  const client = new OpenAI({ apiKey: 'theirs', baseURL: `${made.url}/inference/v1`, maxRetries: 0 });
  const ask = async (model: string) => {
    const { choices } = await client.chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] });
    return JSON.parse(choices[0]?.message.content as string) as { name: string; url: string; model: string; key: string | null };
  };
  return { ...of, ...made, client, ask, seen: [first.seen, second.seen] as const };
}

test('the model of a request chooses the provider, which gets the key of the target and not that of the client', async () => {
  const { ask, client, controls, id } = await models(
    { operations: chat('gpt-5', 'shared') },
    { operations: [{ path: CHAT, providerPath: '/chat', models: [{ model: 'meta/llama-*' }, { model: 'shared' }] }] },
  );
  expect(await ask('gpt-5')).toEqual({ name: 'one', url: CHAT, model: 'gpt-5', key: 'key-1', authorization: null });
  expect(await ask('meta/llama-4')).toEqual({ name: 'two', url: '/api/chat', model: 'meta/llama-4', key: null, authorization: null });
  // a target before the model; without one, the first that has it
  expect(await ask('two/shared')).toMatchObject({ name: 'two', model: 'shared' });
  expect(await ask('shared')).toMatchObject({ name: 'one' });
  expect((await client.models.list()).data.map(({ id: model, owned_by }) => [model, owned_by])).toEqual([
    ['gpt-5', 'one'],
    ['shared', 'one'],
    ['shared', 'two'],
  ]);
  const { items } = await controls.send(new control.ListGatewayTargetsCommand({ gatewayIdentifier: id }));
  expect(items).toMatchObject([{ targetType: 'PROVIDER' }, { targetType: 'PROVIDER' }]);
});

test('an answer streams to the client', async () => {
  const { client } = await models({ operations: chat('gpt-5') });
  const stream = await client.chat.completions.create({ model: 'gpt-5', stream: true, messages: [{ role: 'user', content: 'hi' }] });
  const parts: string[] = [];
  for await (const { choices } of stream) parts.push(choices[0]?.delta.content ?? '');
  expect(parts).toEqual(['one', '!']);
});

test.each<[string, string | undefined, string]>([
  ['claude-opus', 'anthropic.claude-opus', 'an exact name'],
  ['anthropic.claude-opus', 'anthropic.claude-opus', 'the name of the provider'],
  ['claude-haiku-4', 'anthropic.claude-haiku-4', 'a pattern'],
  ['gpt-oss-20b', 'openai.gpt-oss-20b', 'a pattern of another vendor'],
  ['opus', undefined, 'a part of a name'],
])('%s is %s where clients leave the prefix out: %s', async (model, expected) => {
  const { ask } = await models({
    modelMapping: { providerPrefix: { strip: true, separator: '.' } },
    operations: chat('anthropic.claude-opus', 'anthropic.claude-haiku-*', 'openai.gpt-oss-*'),
  });
  if (expected === undefined) await expect(ask(model)).rejects.toMatchObject({ status: 404 });
  else expect(await ask(model)).toMatchObject({ model: expected });
});

test('a pattern with many wildcards is matched in a time that does not explode', async () => {
  const { ask } = await models({ operations: chat(`${'*a'.repeat(100)}b`) });
  await expect(ask('a'.repeat(256))).rejects.toMatchObject({ status: 404 });
  expect(await ask(`${'a'.repeat(255)}b`)).toMatchObject({ name: 'one' });
});

test('without operations every path and model goes to the provider', async () => {
  const { ask, url, seen } = await models({});
  expect(await ask('any')).toMatchObject({ name: 'one', model: 'any' });
  const strange = await fetch(`${url}/inference/v1/a/..%2fadmin`, { method: 'POST', body: '{"model":"any"}' });
  expect(strange.status).toBe(400);
  expect(seen[0]).toHaveLength(1);
});

test.each<[string, string, RequestInit, number, string]>([
  ['a model that no target has', CHAT, { method: 'POST', body: '{"model":"other"}' }, 404, 'not_found_error'],
  ['a path that no target has', '/v1/responses', { method: 'POST', body: '{"model":"gpt-5"}' }, 404, 'not_found_error'],
  ['no model', CHAT, { method: 'POST', body: '{}' }, 400, 'invalid_request_error'],
  ['a model that is not a text', CHAT, { method: 'POST', body: '{"model":["gpt-5"]}' }, 400, 'invalid_request_error'],
  [
    'a model of too many characters',
    CHAT,
    { method: 'POST', body: JSON.stringify({ model: 'a'.repeat(257) }) },
    400,
    'invalid_request_error',
  ],
  ['what is not JSON', CHAT, { method: 'POST', body: 'model=gpt-5' }, 400, 'invalid_request_error'],
  [
    'a body that is too deep',
    CHAT,
    { method: 'POST', body: `{"model":"gpt-5","a":${'['.repeat(5_000)}${']'.repeat(5_000)}}` },
    400,
    'invalid_request_error',
  ],
  ['another method', CHAT, { method: 'GET' }, 404, 'not_found_error'],
])('%s is refused in the form that clients of models read', async (_, path, init, status, type) => {
  const { url, seen } = await models({ operations: chat('gpt-5') });
  const answer = await fetch(`${url}/inference${path}`, init);
  expect([answer.status, await answer.json()]).toEqual([
    status,
    { message: expect.any(String), error: { type, message: expect.any(String) } },
  ]);
  expect(seen[0]).toEqual([]);
});

test('a policy decides about an operation by the model, and a limit counts by the target', async () => {
  const first = await models({ operations: chat('gpt-5', 'gpt-5-mini') });
  const { controls, server, id, url, seen } = first;
  const { policyEngineId, policyEngineArn = '' } = await controls.send(new control.CreatePolicyEngineCommand({ name: 'rules' }));
  await server.clock.advance(2_000);
  await controls.send(
    new control.UpdateGatewayCommand({
      gatewayIdentifier: id,
      name: 'Desk',
      roleArn: 'arn:aws:iam::123456789012:role/gw',
      authorizerType: 'NONE',
      policyEngineConfiguration: { arn: policyEngineArn, mode: 'ENFORCE' },
    }),
  );
  await server.clock.advance(2_000);
  const statement = `permit(principal, action == AgentCore::Action::"one___POST:${CHAT}", resource == AgentCore::Gateway::"arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/${id}") when { context.input.model == "gpt-5-mini" };`;
  const { policyId } = await controls.send(
    new control.CreatePolicyCommand({ policyEngineId, name: 'mini', definition: { cedar: { statement } } }),
  );
  await server.clock.advance(2_000);
  expect(await controls.send(new control.GetPolicyCommand({ policyEngineId, policyId }))).toMatchObject({ status: 'ACTIVE' });
  const ask = (model: string) => fetch(`${url}/inference${CHAT}`, { method: 'POST', body: JSON.stringify({ model }) });
  expect((await ask('gpt-5-mini')).status).toBe(200);
  const denied = await ask('gpt-5');
  expect([denied.status, await denied.json()]).toMatchObject([403, { error: { type: 'permission_error' } }]);
  // another name of the same model
  expect([(await ask('one/gpt-5')).status, (await ask('one/gpt-5-mini')).status]).toEqual([403, 200]);
  await controls.send(
    new control.CreateGatewayRateLimitCommand({
      gatewayIdentifier: id,
      dimensionKeys: ['targetName'],
      entries: [{ dimensions: { targetName: 'one' }, requests: [{ rate: 1, period: 'minute' }] }],
    }),
  );
  await server.clock.advance(30_000);
  expect([(await ask('gpt-5-mini')).status, (await ask('gpt-5-mini')).status]).toEqual([200, 429]);
  expect(seen[0]).toHaveLength(3);
});

test('a connector of inference is refused with its name', async () => {
  const connector = { inference: { connector: { source: { connectorId: 'openai' } } } };
  const { controls, id } = await models({ operations: chat('gpt-5') });
  await expect(
    controls.send(new control.CreateGatewayTargetCommand({ gatewayIdentifier: id, name: 'openai', targetConfiguration: connector })),
  ).rejects.toMatchObject({ name: 'NotImplementedException', message: expect.stringContaining('inference.connector') });
});
