/** A policy engine of a local server, and a gateway that its policies are about. */
import {
  type CreateGatewayCommandInput,
  CreatePolicyCommand,
  type CreatePolicyCommandInput,
  CreatePolicyEngineCommand,
  GetPolicyCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import type { AgentCoreOptions } from '../../../src/adapters/agentcore/wire/index.ts';
import { refunds, type WithGateway, withGateway } from '../gateway/kit.ts';

export const TOKEN = 'a'.repeat(40);
export const arnOf = (id: string) => `arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/${id}`;

export interface WithEngine extends WithGateway {
  engine: string;
  engineArn: string;
  gateway: string;
  /** Makes a policy, and waits until it is what it will be. */
  policy(statement: string, more?: Partial<CreatePolicyCommandInput>): Promise<{ id: string; status: string; reasons: string[] }>;
}

/** An engine, and a gateway with a tool Refund___process({ amount }). */
export async function withEngine(
  o: AgentCoreOptions & { attempts?: number } = {},
  input: Partial<CreateGatewayCommandInput> = {},
): Promise<WithEngine> {
  const found = await withGateway(input, o);
  await found.target(refunds());
  const { policyEngineId: engine = '', policyEngineArn: engineArn = '' } = await found.controls.send(
    new CreatePolicyEngineCommand({ name: 'rules' }),
  );
  await found.server.clock.advance(2_000);
  let made = 0;
  return {
    ...found,
    engine,
    engineArn,
    gateway: arnOf(found.id),
    async policy(statement, more = {}) {
      const { policyId: id = '' } = await found.controls.send(
        new CreatePolicyCommand({ policyEngineId: engine, name: `p${made++}`, definition: { cedar: { statement } }, ...more }),
      );
      await found.server.clock.advance(2_000);
      const { status = '', statusReasons = [] } = await found.controls.send(new GetPolicyCommand({ policyEngineId: engine, policyId: id }));
      return { id, status, reasons: statusReasons };
    },
  };
}

export const about = (gateway: string, condition = 'context.input.amount < 500', action = 'Refund___process') =>
  `permit(principal is AgentCore::OAuthUser, action == AgentCore::Action::"${action}", resource == AgentCore::Gateway::"${gateway}")\nwhen { ${condition} };`;
