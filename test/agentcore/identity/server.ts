/** A local server whose time stands still, and the official clients of both planes, which find it by the environment. */
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach } from 'vitest';
import { type AgentCore, type AgentCoreOptions, movableClock, startAgentCore } from '../../../src/adapters/agentcore/wire/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
/** Closed after the test, the newest first. */
export const closing = <T extends { close(): unknown }>(one: T): T => {
  open.push(one);
  return one;
};

export interface Started {
  server: AgentCore;
  controls: control.BedrockAgentCoreControlClient;
  client: data.BedrockAgentCoreClient;
}

export async function start(o: AgentCoreOptions = {}): Promise<Started> {
  const server = closing(await startAgentCore({ clock: movableClock({ frozen: true, start: Date.now() }), throttle: false, ...o }));
  Object.assign(process.env, server.env);
  const controls = new control.BedrockAgentCoreControlClient({});
  const client = new data.BedrockAgentCoreClient({});
  closing({ close: () => controls.destroy() });
  closing({ close: () => client.destroy() });
  return { server, controls, client };
}

/** A JWT whose signature is not looked at. @param exp epoch milliseconds. */
export function jwtOf(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`;
}

/** The workload token of a user. */
export async function tokenFor({ client }: Started, workloadName: string, user?: { userId: string } | { userToken: string }) {
  const command =
    user === undefined
      ? new data.GetWorkloadAccessTokenCommand({ workloadName })
      : 'userId' in user
        ? new data.GetWorkloadAccessTokenForUserIdCommand({ workloadName, ...user })
        : new data.GetWorkloadAccessTokenForJWTCommand({ workloadName, ...user });
  const { workloadAccessToken } = await client.send(command as data.GetWorkloadAccessTokenCommand);
  return workloadAccessToken as string;
}
