/** The gateway of the assistant in AgentCore, with its targets, the key of one of them, and its policies. */
import * as aws from '@aws-sdk/client-bedrock-agentcore-control';
import { officeDocument } from './office.ts';
import { GATEWAY, OFFICE, policies, WEB } from './tools.ts';

export const ROLE = 'arn:aws:iam::123456789012:role/assistant';
/** Where AWS would reach the back office. Here an address of this machine is bound to it. */
export const OFFICE_URL = 'https://office.example';

export interface GatewayDeployment {
  signIn: { discoveryUrl: string; clientId: string };
  /** The key of the back office. */
  officeKey: string;
}

/** @returns its URL, for users who have signed in */
export async function gateway(client: aws.BedrockAgentCoreControlClient, { signIn, officeKey }: GatewayDeployment): Promise<string> {
  const engine = await client.send(new aws.CreatePolicyEngineCommand({ name: GATEWAY }));
  const { policyEngineId = '', policyEngineArn: arn = '' } = engine;
  await until(async () => (await client.send(new aws.GetPolicyEngineCommand({ policyEngineId }))).status === 'ACTIVE');
  const { discoveryUrl, clientId } = signIn;
  const created = await client.send(
    new aws.CreateGatewayCommand({
      name: GATEWAY,
      roleArn: ROLE,
      protocolType: 'MCP',
      protocolConfiguration: { mcp: { searchType: 'SEMANTIC' } },
      authorizerType: 'CUSTOM_JWT',
      authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl, allowedClients: [clientId] } },
      policyEngineConfiguration: { arn, mode: 'ENFORCE' },
    }),
  );
  const { gatewayId: gatewayIdentifier = '', gatewayArn = '', gatewayUrl = '' } = created;
  await until(async () => (await client.send(new aws.GetGatewayCommand({ gatewayIdentifier }))).status === 'READY');
  for (const target of [await officeTarget(client, officeKey), webTarget()]) {
    const { targetId = '' } = await client.send(new aws.CreateGatewayTargetCommand({ gatewayIdentifier, ...target }));
    await until(async () => (await client.send(new aws.GetGatewayTargetCommand({ gatewayIdentifier, targetId }))).status === 'READY');
  }
  // now that there are tools to validate them against
  for (const [name, statement] of Object.entries(policies(gatewayArn))) {
    const definition = { cedar: { statement } };
    // two of them are meant for every call, which AWS finds too wide
    const meant = { definition, validationMode: 'IGNORE_ALL_FINDINGS' } as const;
    const policy = await client.send(new aws.CreatePolicyCommand({ policyEngineId, name: name.replaceAll(' ', '_'), ...meant }));
    const { policyId = '' } = policy;
    await until(async () => (await client.send(new aws.GetPolicyCommand({ policyEngineId, policyId }))).status === 'ACTIVE');
  }
  return gatewayUrl;
}

type Target = Pick<aws.CreateGatewayTargetCommandInput, 'name' | 'targetConfiguration' | 'credentialProviderConfigurations'>;

async function officeTarget(client: aws.BedrockAgentCoreControlClient, apiKey: string): Promise<Target> {
  const { credentialProviderArn: providerArn } = await client.send(new aws.CreateApiKeyCredentialProviderCommand({ name: OFFICE, apiKey }));
  const apiKeyCredentialProvider = { providerArn, credentialLocation: 'HEADER', credentialParameterName: 'x-api-key' } as const;
  return {
    name: OFFICE,
    targetConfiguration: { mcp: { openApiSchema: { inlinePayload: JSON.stringify(officeDocument(OFFICE_URL)) } } },
    credentialProviderConfigurations: [{ credentialProviderType: 'API_KEY', credentialProvider: { apiKeyCredentialProvider } }],
  };
}

const webTarget = (): Target => ({
  name: WEB,
  targetConfiguration: {
    mcp: { connector: { source: { connectorId: 'web-search' }, configurations: [{ name: 'WebSearch', parameterValues: {} }] } },
  },
  credentialProviderConfigurations: [{ credentialProviderType: 'GATEWAY_IAM_ROLE' }],
});

export async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 200));
}
