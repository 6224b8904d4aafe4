/** A local server with a runtime whose program is in fixtures, and the official clients. */
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach } from 'vitest';
import {
  type AgentCore,
  type AgentCoreOptions,
  type Container,
  movableClock,
  startAgentCore,
} from '../../src/adapters/agentcore/wire/index.ts';
import { PROGRAM } from './sessions.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

export const IMAGE = '123456789012.dkr.ecr.us-east-1.amazonaws.com/demo:latest';
const BINDING: Container = { command: ['node', PROGRAM] };

/** An id of a session is at least 33 characters long. */
export const sessionId = (name: string) => name.padEnd(33, '-');

export interface Deployed {
  server: AgentCore;
  client: data.BedrockAgentCoreClient;
  /** The ARN of the runtime. */
  arn: string;
  id: string;
  controls: control.BedrockAgentCoreControlClient;
}

/** A runtime that is ready. Time stands still. */
export async function deployed(
  runtime: Partial<control.CreateAgentRuntimeCommandInput> = {},
  o: AgentCoreOptions & { binding?: Container; attempts?: number } = {},
): Promise<Deployed> {
  const { binding = BINDING, attempts = 1, ...options } = o;
  const clock = movableClock({ frozen: true, start: Date.now() });
  const server = await startAgentCore({ clock, bindings: { [`container:${IMAGE}`]: binding }, ...options });
  open.push(server);
  Object.assign(process.env, server.env);
  const controls = new control.BedrockAgentCoreControlClient({});
  const client = new data.BedrockAgentCoreClient({ maxAttempts: attempts });
  open.push({ close: () => controls.destroy() }, { close: () => client.destroy() });
  const { agentRuntimeArn, agentRuntimeId } = await controls.send(
    new control.CreateAgentRuntimeCommand({
      agentRuntimeName: 'demo',
      roleArn: 'arn:aws:iam::123456789012:role/rt',
      networkConfiguration: { networkMode: 'PUBLIC' },
      agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
      ...runtime,
    }),
  );
  await server.clock.advance(2_000);
  return { server, client, controls, arn: agentRuntimeArn as string, id: agentRuntimeId as string };
}

/** An invocation, and its answer as JSON. `headers` are added before it is signed. */
export async function call<T = Record<string, unknown>>(
  { client, arn }: Pick<Deployed, 'client' | 'arn'>,
  session: string,
  input: object,
  o: Partial<data.InvokeAgentRuntimeCommandInput> & { headers?: Record<string, string> } = {},
): Promise<T> {
  const { headers = {}, ...more } = o;
  const command = new data.InvokeAgentRuntimeCommand({
    agentRuntimeArn: arn,
    runtimeSessionId: sessionId(session),
    contentType: 'application/json',
    payload: Buffer.from(JSON.stringify(input)),
    ...more,
  });
  command.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, headers);
      return next(args);
    },
    { step: 'build' },
  );
  const { response } = await client.send(command);
  return JSON.parse((await response?.transformToString()) as string) as T;
}
