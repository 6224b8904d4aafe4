/**
 * The assistant as a runtime of AgentCore, with its memory, its credential providers, and its gateway with policies, made by the calls that make them on AWS.
 * Only the settings of the program differ from those of this machine: see parts.ts.
 */
import { fileURLToPath } from 'node:url';
import * as aws from '@aws-sdk/client-bedrock-agentcore-control';
import type { Container } from 'rondo/agentcore/wire';
import { gateway, ROLE, until } from './deployed-gateway.ts';

/** The image that AWS would run. Here a command stands for it. */
export const IMAGE = '123456789012.dkr.ecr.us-east-1.amazonaws.com/assistant:1';
const WORKLOAD = 'assistant';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
export const container: Container = { command: ['node', '--import', path('../../scripts/source.ts'), path('serve.ts')] };

export interface Deployment {
  signIn: { discoveryUrl: string; clientId: string; clientSecret: string };
  /** Where browsers come back to after a consent. */
  callback: string;
  /** The key of the back office. */
  officeKey: string;
  /** More settings of the program. */
  env: Readonly<Record<string, string>>;
}

/** @returns the settings of the web application, and where the page talks to the agent. The AWS client is configured by the environment. */
export async function deployed({
  signIn,
  callback,
  officeKey,
  env,
}: Deployment): Promise<{ settings: Record<string, string>; socketPath: string }> {
  const client = new aws.BedrockAgentCoreControlClient({});
  const { discoveryUrl, clientId, clientSecret } = signIn;
  const returns = { allowedResourceOauth2ReturnUrls: [callback] };

  const { memory } = await client.send(
    new aws.CreateMemoryCommand({
      name: 'assistant',
      eventExpiryDuration: 30,
      memoryStrategies: [{ semanticMemoryStrategy: { name: 'facts', namespaceTemplates: ['/facts/{actorId}/'] } }],
    }),
  );
  await client.send(
    new aws.CreateOauth2CredentialProviderCommand({
      name: 'parcels',
      credentialProviderVendor: 'CustomOauth2',
      oauth2ProviderConfigInput: { customOauth2ProviderConfig: { oauthDiscovery: { discoveryUrl }, clientId, clientSecret } },
    }),
  );
  await client.send(new aws.CreateWorkloadIdentityCommand({ name: WORKLOAD, ...returns }));
  const gatewayUrl = await gateway(client, { signIn, officeKey });
  const settings = {
    ...env,
    AGENTCORE_GATEWAY_URL: gatewayUrl,
    AGENTCORE_MEMORY_ID: memory?.id ?? '',
    AGENTCORE_WORKLOAD: WORKLOAD,
    ASSISTANT_CALLBACK: callback,
  };
  const { agentRuntimeArn = '', agentRuntimeId = '' } = await client.send(
    new aws.CreateAgentRuntimeCommand({
      agentRuntimeName: 'assistant',
      roleArn: ROLE,
      networkConfiguration: { networkMode: 'PUBLIC' },
      agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
      authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl, allowedClients: [clientId] } },
      // the program checks the token again, and its runs are those of its user
      requestHeaderConfiguration: { requestHeaderAllowlist: ['Authorization'] },
      environmentVariables: settings,
    }),
  );
  // invocations bring the token of the runtime's own workload identity
  await client.send(new aws.UpdateWorkloadIdentityCommand({ name: agentRuntimeId, ...returns }));
  await until(async () => (await client.send(new aws.GetAgentRuntimeCommand({ agentRuntimeId }))).status === 'READY');
  await until(async () => (await client.send(new aws.GetMemoryCommand({ memoryId: memory?.id ?? '' }))).memory?.status === 'ACTIVE');
  client.destroy();
  return { settings, socketPath: `/runtimes/${encodeURIComponent(agentRuntimeArn)}/ws` };
}
