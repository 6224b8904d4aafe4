import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { folder } from '../kit/folder.ts';
import { IMAGE } from './runtime.ts';
import { serving } from './serving.ts';

async function started(cwd: string): Promise<{ child: ChildProcess; client: control.BedrockAgentCoreControlClient }> {
  const { child, options } = await serving(cwd);
  return { child, client: new control.BedrockAgentCoreControlClient(options) };
}

const runtime = (name: string) => ({
  agentRuntimeName: name,
  roleArn: 'arn:aws:iam::123456789012:role/rt',
  networkConfiguration: { networkMode: 'PUBLIC' as const },
  agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
});
const tokenOf = (name: string) => `the-token-of-the-creation-of-a-runtime-${name}`;

test('a server that is killed while it creates has all that it acknowledged, nothing half, and answers a repeat as before', async () => {
  const cwd = folder('agentcore');
  const acknowledged = new Map<string, string>();
  for (const round of [1, 2, 3]) {
    const { child, client } = await started(cwd);
    const ended = once(child, 'close');
    const create = async (n: number) => {
      for (let i = 0; ; i += 1) {
        const name = `r${round}x${n}x${i}`;
        const command = new control.CreateAgentRuntimeCommand({ ...runtime(name), clientToken: tokenOf(name) });
        const created = await client.send(command).catch(() => undefined);
        if (!created) return;
        acknowledged.set(name, created.agentRuntimeId as string);
        if (acknowledged.size === round * 40) child.kill('SIGKILL');
      }
    };
    await Promise.all([1, 2, 3, 4].map(create));
    await ended;
    client.destroy();
  }
  const { child, client } = await started(cwd);
  try {
    const listed = new Map<string, string>();
    for await (const { agentRuntimes } of control.paginateListAgentRuntimes({ client, pageSize: 100 }, {}))
      for (const { agentRuntimeName, agentRuntimeId } of agentRuntimes ?? [])
        listed.set(agentRuntimeName as string, agentRuntimeId as string);
    expect([...acknowledged].filter(([name, id]) => listed.get(name) !== id)).toEqual([]);
    for (const agentRuntimeId of listed.values()) {
      const { runtimeEndpoints } = await client.send(new control.ListAgentRuntimeEndpointsCommand({ agentRuntimeId }));
      expect(runtimeEndpoints?.map(({ name, liveVersion }) => [name, liveVersion])).toEqual([['DEFAULT', '1']]);
      expect((await client.send(new control.GetAgentRuntimeCommand({ agentRuntimeId }))).agentRuntimeVersion).toBe('1');
    }
    const [name, id] = [...acknowledged].at(-1) as [string, string];
    const again = await client.send(new control.CreateAgentRuntimeCommand({ ...runtime(name), clientToken: tokenOf(name) }));
    expect(again.agentRuntimeId).toBe(id);
  } finally {
    child.kill('SIGKILL');
    client.destroy();
  }
});
