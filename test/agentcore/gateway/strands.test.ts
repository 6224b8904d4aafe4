import { McpClient } from '@strands-agents/sdk';
import { expect, onTestFinished, test } from 'vitest';
import { issuer } from '../../server/issuer.ts';
import { BINDINGS, refunds, withGateway } from './kit.ts';

test("Strands' McpClient lists the tools of a gateway, and calls one", async () => {
  const idp = await issuer();
  const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
  const { url, target, server } = await withGateway(
    { authorizerType: 'CUSTOM_JWT', authorizerConfiguration: authorizer },
    { bindings: BINDINGS },
  );
  await target(refunds());
  const token = await idp.token({ sub: 'ana', client_id: 'web' });
  const client = new McpClient({ url, headers: { authorization: `Bearer ${token}` } });
  onTestFinished(() => client.disconnect());
  const [tool] = await client.listTools();
  expect(tool?.name).toBe('Refund___process');
  expect(JSON.stringify(await client.callTool(tool as never, { amount: 5 }))).toContain('refunded 5');
  expect(server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')).toMatchObject({
    caller: 'ana',
    status: 200,
  });
});
