/** A local server with a memory, and the official clients. */
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach } from 'vitest';
import { type AgentCore, type AgentCoreOptions, movableClock, startAgentCore } from '../../../src/adapters/agentcore/wire/index.ts';
import type { Serving } from '../serving.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

export interface Started {
  server: AgentCore;
  client: data.BedrockAgentCoreClient;
  controls: control.BedrockAgentCoreControlClient;
}

/** A server whose time stands still, and clients that find it by the environment alone. */
export async function started(o: AgentCoreOptions & { attempts?: number } = {}): Promise<Started> {
  const { attempts = 1, ...options } = o;
  const server = await startAgentCore({ clock: movableClock({ frozen: true, start: Date.now() }), throttle: false, ...options });
  open.push(server);
  Object.assign(process.env, server.env);
  const client = new data.BedrockAgentCoreClient({ maxAttempts: attempts });
  const controls = new control.BedrockAgentCoreControlClient({ maxAttempts: attempts });
  open.push({ close: () => client.destroy() }, { close: () => controls.destroy() });
  return { server, client, controls };
}

export interface WithMemory extends Started {
  memoryId: string;
  arn: string;
  /** The id of a strategy, by its name. */
  strategy(name: string): string;
}

/** A memory that is active. */
export async function withMemory(
  input: Partial<control.CreateMemoryCommandInput> = {},
  o: AgentCoreOptions & { attempts?: number } = {},
): Promise<WithMemory> {
  const found = await started(o);
  const { memory } = await found.controls.send(new control.CreateMemoryCommand({ name: 'support', eventExpiryDuration: 30, ...input }));
  await found.server.clock.advance(2_000);
  const ids = new Map(memory?.strategies?.map(({ name, strategyId }) => [name, strategyId]));
  return { ...found, memoryId: memory?.id as string, arn: memory?.arn as string, strategy: (name) => ids.get(name) as string };
}

/** Numbers from 0 to 1, the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A memory of a server in a process of its own, once it is active. */
export async function created({ options }: Serving, memoryStrategies: control.MemoryStrategyInput[] = []): Promise<string> {
  const client = new control.BedrockAgentCoreControlClient(options);
  const { memory } = await client.send(new control.CreateMemoryCommand({ name: 'support', eventExpiryDuration: 30, memoryStrategies }));
  const memoryId = memory?.id as string;
  await control.waitUntilMemoryCreated({ client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { memoryId });
  client.destroy();
  return memoryId;
}
