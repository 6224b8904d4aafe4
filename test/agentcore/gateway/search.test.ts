/** The search tool of a gateway among 300 tools, with and without policies. */
import { CreatePolicyCommand, CreatePolicyEngineCommand, UpdateGatewayCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { issuer } from '../../server/issuer.ts';
import { BINDINGS, connected, LAMBDA, withGateway } from './kit.ts';

const SEARCH = 'x_amz_bedrock_agentcore_search';
const MANY = 300;
/** The tools that a search for a refund is about, among widgets. */
const REFUNDS: Readonly<Record<number, string>> = {
  7: 'Refund an order to the customer.',
  211: 'Refund an order of a partner, in part.',
};

async function among(policies?: readonly ((arn: string) => string)[]) {
  const idp = await issuer();
  const authorizerConfiguration = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
  const made = await withGateway(
    { authorizerType: 'CUSTOM_JWT', authorizerConfiguration, protocolConfiguration: { mcp: { searchType: 'SEMANTIC' } } },
    { bindings: BINDINGS },
  );
  const { controls, server, id, url } = made;
  const inlinePayload = Array.from({ length: MANY }, (_, i) => ({
    name: `tool_${i}`,
    description: REFUNDS[i] ?? `Does thing number ${i} with widgets.`,
    inputSchema: { type: 'object' as const, properties: { amount: { type: 'integer' as const } } },
  }));
  const { status } = await made.target({
    name: 'A',
    targetConfiguration: { mcp: { lambda: { lambdaArn: LAMBDA, toolSchema: { inlinePayload } } } },
    credentialProviderConfigurations: [{ credentialProviderType: 'GATEWAY_IAM_ROLE' }],
  });
  expect(status).toBe('READY');
  if (policies) await govern();

  async function govern() {
    const { policyEngineId, policyEngineArn } = await controls.send(new CreatePolicyEngineCommand({ name: 'rules' }));
    await server.clock.advance(2_000);
    const arn = `arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/${id}`;
    await controls.send(
      new UpdateGatewayCommand({
        gatewayIdentifier: id,
        name: 'Desk',
        roleArn: 'arn:aws:iam::123456789012:role/gw',
        authorizerType: 'CUSTOM_JWT',
        authorizerConfiguration,
        protocolType: 'MCP',
        protocolConfiguration: { mcp: { searchType: 'SEMANTIC' } },
        policyEngineConfiguration: { arn: policyEngineArn as string, mode: 'ENFORCE' },
      }),
    );
    await server.clock.advance(2_000);
    for (const [i, statement] of (policies ?? []).entries())
      await controls.send(new CreatePolicyCommand({ policyEngineId, name: `p${i}`, definition: { cedar: { statement: statement(arn) } } }));
    await server.clock.advance(2_000);
  }

  return async (claims: object = {}) => {
    const client = await connected(url, { token: await idp.token({ sub: 'ana', client_id: 'web', ...claims }) });
    return {
      client,
      async found(query: string): Promise<string[]> {
        const { structuredContent } = await client.callTool({ name: SEARCH, arguments: { query } });
        return (structuredContent as { tools: { name: string }[] }).tools.map(({ name }) => name);
      },
    };
  };
}

const permit =
  (tool: number, when = '') =>
  (arn: string) =>
    `permit(principal is AgentCore::OAuthUser, action == AgentCore::Action::"A___tool_${tool}", resource == AgentCore::Gateway::"${arn}")${when};`;

test('finds the right tools first', async () => {
  const { client, found } = await (await among())();
  expect((await client.listTools()).tools[0]?.name).toBe(SEARCH);
  const names = await found('refund an order');
  expect(names.slice(0, 2).sort()).toEqual(['A___tool_211', 'A___tool_7']);
  expect(names.length).toBeLessThanOrEqual(10);
});

test('finds what a policy may permit the caller, and nothing else', async () => {
  const as = await among([
    permit(7, ' when { principal.hasTag("role") && principal.getTag("role") == "agent" }'),
    permit(3, ' when { true }'),
  ]);
  const ana = await as({ role: 'agent' });
  expect((await ana.client.listTools()).tools.map(({ name }) => name)).toEqual([SEARCH, 'A___tool_3', 'A___tool_7']);
  expect(await ana.found('refund an order')).toEqual(['A___tool_7']);
  expect(await ana.found('widgets number 3')).toContain('A___tool_3');
  await expect(ana.client.callTool({ name: 'A___tool_211', arguments: {} })).rejects.toMatchObject({ code: -32_002 });
  const guest = await as({ role: 'guest' });
  expect(await guest.found('refund an order')).not.toContain('A___tool_7');
});

test('a search without a query says what it takes', async () => {
  const { client } = await (await among())();
  const refused = await client.callTool({ name: SEARCH, arguments: {} });
  expect(refused).toMatchObject({ isError: true, _meta: { 'rondo/error': { code: 'INVALID_ARGUMENTS' } } });
});
