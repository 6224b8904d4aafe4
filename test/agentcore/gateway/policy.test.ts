import {
  type BedrockAgentCoreControlClient,
  CreatePolicyCommand,
  CreatePolicyEngineCommand,
  GetPolicyCommand,
  UpdateGatewayCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { agent, Engine } from 'rondo';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test } from 'vitest';
import { agentcoreGateway } from '../../../src/adapters/agentcore/gateway/index.ts';
import { asks, failure, shown } from '../../kit/runs.ts';
import { issuer } from '../../server/issuer.ts';
import { BINDINGS, CREATE, connected, refunds, textOf, withGateway } from './kit.ts';

/** A gateway of two tools, whose policy engine has these policies. */
async function governed(statements: readonly ((arn: string) => string)[], mode: 'ENFORCE' | 'LOG_ONLY' = 'ENFORCE') {
  const idp = await issuer();
  const authorizer = {
    authorizerType: 'CUSTOM_JWT' as const,
    authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } },
  };
  const made = await withGateway(authorizer, { bindings: BINDINGS });
  const { controls, id, server } = made;
  await made.target(refunds('Refund', ['process', 'cancel']));
  const { policyEngineId, policyEngineArn } = await controls.send(new CreatePolicyEngineCommand({ name: 'rules' }));
  await server.clock.advance(2_000);
  const arn = `arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/${id}`;
  const attached = { ...CREATE, ...authorizer, gatewayIdentifier: id, policyEngineConfiguration: { arn: policyEngineArn as string, mode } };
  await controls.send(new UpdateGatewayCommand(attached));
  await server.clock.advance(2_000);
  for (const [i, statement] of statements.entries()) await added(controls, policyEngineId as string, `p${i}`, statement(arn));
  await server.clock.advance(2_000);
  const token = (claims: object = {}) => idp.token({ sub: 'ana', client_id: 'web', ...claims });
  return { ...made, token, arn };
}

async function added(controls: BedrockAgentCoreControlClient, policyEngineId: string, name: string, statement: string): Promise<void> {
  const { policyId } = await controls.send(new CreatePolicyCommand({ policyEngineId, name, definition: { cedar: { statement } } }));
  expect((await controls.send(new GetPolicyCommand({ policyEngineId, policyId }))).status).not.toMatch(/FAILED/);
}

const SMALL = (arn: string) =>
  `permit(principal is AgentCore::OAuthUser, action == AgentCore::Action::"Refund___process", resource == AgentCore::Gateway::"${arn}")
   when { principal.hasTag("role") && principal.getTag("role") == "agent" && context.input.amount < 500 };`;

test('a call that a policy permits runs, and another is denied by -32002; the list has what may be permitted', async () => {
  const { url, token, server } = await governed([SMALL]);
  const client = await connected(url, { token: await token({ role: 'agent' }) });
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['Refund___process']);
  expect(textOf(await client.callTool({ name: 'Refund___process', arguments: { amount: 499 } }))).toBe('refunded 499');
  await expect(client.callTool({ name: 'Refund___process', arguments: { amount: 500 } })).rejects.toMatchObject({
    code: -32002,
    message: expect.stringContaining('Tool Execution Denied'),
  });
  await expect(client.callTool({ name: 'Refund___cancel', arguments: { amount: 1 } })).rejects.toMatchObject({ code: -32002 });
  expect(server.calls().at(-1)).toMatchObject({ caller: 'ana', policy: { decision: 'DENY', mode: 'ENFORCE', determiningPolicies: [] } });
  const other = await connected(url, { token: await token({ role: 'guest' }) });
  await expect(other.callTool({ name: 'Refund___process', arguments: { amount: 1 } })).rejects.toMatchObject({ code: -32002 });
});

test('without a policy that permits, everything is denied, and nothing listed; LOG_ONLY denies nothing', async () => {
  const { url, token } = await governed([]);
  const client = await connected(url, { token: await token() });
  expect((await client.listTools()).tools).toEqual([]);
  await expect(client.callTool({ name: 'Refund___process', arguments: { amount: 1 } })).rejects.toMatchObject({ code: -32002 });
  const logging = await governed([], 'LOG_ONLY');
  const free = await connected(logging.url, { token: await logging.token() });
  expect((await free.listTools()).tools).toHaveLength(2);
  expect(textOf(await free.callTool({ name: 'Refund___process', arguments: { amount: 1 } }))).toBe('refunded 1');
});

test('agentcoreGateway() tells its agent that the gateway does not permit it', async () => {
  const { url, token } = await governed([SMALL]);
  const bearer = await token({ role: 'agent' });
  const model = scripted([asks(['Refund___process', { amount: 900 }]), 'done']);
  const clerk = agent({ name: 'clerk', instructions: '', model, tools: [agentcoreGateway({ url, auth: () => bearer })] });
  const engine = new Engine({ agents: [clerk] });
  onTestFinished(() => engine.close());
  await engine.run(clerk, 'go');
  expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'NOT_PERMITTED', outcome: 'not-run', attempts: 1 });
});
