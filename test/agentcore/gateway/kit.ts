/** Gateways of a local server, made by the official client. */
import {
  CreateGatewayCommand,
  type CreateGatewayCommandInput,
  CreateGatewayTargetCommand,
  type CreateGatewayTargetCommandInput,
  GetGatewayTargetCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import type { AgentCoreOptions } from '../../../src/adapters/agentcore/wire/index.ts';
import { type Started, started } from '../memory/kit.ts';

export { started };

export const ROLE = 'arn:aws:iam::123456789012:role/gw';
export const LAMBDA = 'arn:aws:lambda:us-east-1:123456789012:function:refund';

export const CREATE: CreateGatewayCommandInput = { name: 'Desk', roleArn: ROLE, authorizerType: 'AWS_IAM', protocolType: 'MCP' };

/** A target that is a Lambda function of one tool. */
export const refunds = (name = 'Refund', tools = ['process']): Omit<CreateGatewayTargetCommandInput, 'gatewayIdentifier'> => ({
  name,
  targetConfiguration: {
    mcp: {
      lambda: {
        lambdaArn: LAMBDA,
        toolSchema: {
          inlinePayload: tools.map((tool) => ({
            name: tool,
            description: `Refunds an order: ${tool}.`,
            inputSchema: { type: 'object', properties: { amount: { type: 'integer', description: 'In dollars.' } }, required: ['amount'] },
          })),
        },
      },
    },
  },
  credentialProviderConfigurations: [{ credentialProviderType: 'GATEWAY_IAM_ROLE' }],
});

export interface WithGateway extends Started {
  id: string;
  url: string;
  /** Makes a target, and waits until it is what it will be. */
  target(input: Omit<CreateGatewayTargetCommandInput, 'gatewayIdentifier'>): Promise<{ id: string; status: string; reasons: string }>;
}

/** A gateway that is ready. */
export async function withGateway(
  input: Partial<CreateGatewayCommandInput> = {},
  o: AgentCoreOptions & { attempts?: number } = {},
): Promise<WithGateway> {
  const found = await started(o);
  const { gatewayId: id = '', gatewayUrl: url = '' } = await found.controls.send(new CreateGatewayCommand({ ...CREATE, ...input }));
  await found.server.clock.advance(2_000);
  return {
    ...found,
    id,
    url,
    async target(of) {
      const { targetId = '' } = await found.controls.send(new CreateGatewayTargetCommand({ gatewayIdentifier: id, ...of }));
      await found.server.clock.advance(2_000);
      const { status, statusReasons } = await found.controls.send(new GetGatewayTargetCommand({ gatewayIdentifier: id, targetId }));
      return { id: targetId, status: status as string, reasons: (statusReasons ?? []).join() };
    },
  };
}
