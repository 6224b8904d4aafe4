/** Policies about targets of http: what they name, and what they ask. */
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { issuer } from '../../server/issuer.ts';
import { started } from '../memory/kit.ts';
import { ENDPOINT, gatewayOf, service } from './http-kit.ts';

const SCHEMA = JSON.stringify({
  openapi: '3.0.3',
  info: { title: 'orders', version: '1' },
  paths: {
    '/orders/{id}': {
      get: {
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
        responses: { 200: { description: 'ok' } },
      },
    },
    '/orders/all': { get: { responses: { 200: { description: 'ok' } } } },
    '/refunds': {
      post: {
        requestBody: {
          content: { 'application/json': { schema: { type: 'object', properties: { cents: { type: 'integer' } }, required: ['cents'] } } },
        },
        responses: { 200: { description: 'ok' } },
      },
    },
  },
});

async function governed(statements: readonly ((arn: string) => string)[], mode: 'ENFORCE' | 'LOG_ONLY' = 'ENFORCE') {
  const { seen, bindings } = await service((_, response) => void response.end('{}'));
  const of = await started({ bindings });
  const idp = await issuer();
  const { policyEngineId, policyEngineArn = '' } = await of.controls.send(new control.CreatePolicyEngineCommand({ name: 'rules' }));
  await of.server.clock.advance(2_000);
  const { url, id, target } = await gatewayOf(of, {
    authorizerType: 'CUSTOM_JWT',
    authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } },
    policyEngineConfiguration: { arn: policyEngineArn, mode },
  });
  const made = await target(
    { passthrough: { endpoint: ENDPOINT, protocolType: 'CUSTOM', schema: { source: { inlinePayload: SCHEMA } } } },
    undefined,
    'Orders',
  );
  expect(made).toMatchObject({ status: 'READY' });
  const arn = `arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/${id}`;
  for (const [i, statement] of statements.entries()) {
    const { policyId } = await of.controls.send(
      new control.CreatePolicyCommand({ policyEngineId, name: `p${i}`, definition: { cedar: { statement: statement(arn) } } }),
    );
    await of.server.clock.advance(2_000);
    expect(await of.controls.send(new control.GetPolicyCommand({ policyEngineId, policyId }))).toMatchObject({ status: 'ACTIVE' });
  }
  const token = await idp.token({ sub: 'ana', client_id: 'web' });
  const ask = (method: string, path: string, body?: string) =>
    fetch(`${url}/Orders${path}`, { method, headers: { authorization: `Bearer ${token}` }, ...(body !== undefined && { body }) });
  return { ...of, seen, ask };
}

const READS = (arn: string) =>
  `permit(principal, action == AgentCore::Action::"Orders___GET:/orders/{id}", resource == AgentCore::Gateway::"${arn}") when { principal.id == "ana" };`;
const SMALL = (arn: string) =>
  `permit(principal, action == AgentCore::Action::"Orders___POST:/refunds", resource == AgentCore::Gateway::"${arn}") when { context.input.cents < 500 };`;

test('each operation of the schema is an action, with the members of its body; all else is denied', async () => {
  const { ask, seen, server } = await governed([READS, SMALL]);
  expect((await ask('GET', '/orders/7')).status).toBe(200);
  expect((await ask('POST', '/refunds', '{"cents":499}')).status).toBe(200);
  const denied = await ask('POST', '/refunds', '{"cents":500}');
  expect([denied.status, await denied.json()]).toEqual([
    403,
    { message: expect.stringContaining('not allowed due to policy enforcement [No policy applies') },
  ]);
  expect(server.calls().at(-1)).toMatchObject({ caller: 'ana', policy: { decision: 'DENY', mode: 'ENFORCE' } });
  // what is not JSON, a path with a name of its own, another method, a path that the schema does not have
  const others = [
    await ask('POST', '/refunds', 'cents=1'),
    await ask('GET', '/orders/all'),
    await ask('DELETE', '/orders/7'),
    await ask('GET', '/orders/7/items'),
    await ask('GET', '/admin'),
  ];
  expect(others.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403]);
  expect(seen.map(({ url }) => url)).toEqual(['/v1/orders/7', '/v1/refunds']);
});

test('a policy that only logs lets everything through', async () => {
  const { ask, server } = await governed([READS], 'LOG_ONLY');
  expect((await ask('GET', '/admin')).status).toBe(200);
  expect(server.calls().at(-1)).toMatchObject({ policy: { decision: 'DENY', mode: 'LOG_ONLY' } });
});
