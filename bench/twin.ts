/** The local AgentCore in a process of its own, with one program bound. It tells its parent how to reach it, and what memory is used when asked. */
import { readFileSync } from 'node:fs';
import {
  BedrockAgentCoreControlClient,
  CreateAgentRuntimeCommand,
  GetAgentRuntimeCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { startAgentCore } from '../src/adapters/agentcore/wire/index.ts';

export interface Memory {
  /** Bytes of the resident set of the server. */
  readonly server: number;
  /** Bytes of each session's process: its resident set, and its share of what several processes hold (PSS). */
  readonly sessions: readonly { readonly rss: number; readonly pss: number }[];
}

/** How the parent reaches it. */
export interface Reached {
  readonly env: Readonly<Record<string, string>>;
  readonly agentRuntimeArn: string;
}

const IMAGE = '123456789012.dkr.ecr.us-east-1.amazonaws.com/bench:1';

const [program = ''] = process.argv.slice(2);
// more sessions a second than AWS admits, so that the machine is measured and not the quota
const server = await startAgentCore({
  bindings: { [`container:${IMAGE}`]: { command: ['node', program] } },
  sessions: { newPerSecond: 1_000 },
});

function memory(): Memory {
  const sessions = server.sessions().running.map(({ log }) => {
    const pid = Number.parseInt(readFileSync(log, 'utf8'), 10);
    const kilobytes = (file: string, name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))?.[1]) * 1_024;
    return { rss: kilobytes('smaps_rollup', 'Rss'), pss: kilobytes('smaps_rollup', 'Pss') };
  });
  return { server: process.memoryUsage().rss, sessions };
}

process.on('message', () => process.send?.(memory()));
process.once('disconnect', () => void server.close().then(() => process.exit(0)));
Object.assign(process.env, server.env);
process.send?.({ env: server.env, agentRuntimeArn: await deployed() } satisfies Reached);

/** A runtime that is ready. @returns its ARN. */
async function deployed(): Promise<string> {
  const control = new BedrockAgentCoreControlClient({});
  const { agentRuntimeArn, agentRuntimeId } = await control.send(
    new CreateAgentRuntimeCommand({
      agentRuntimeName: 'bench',
      roleArn: 'arn:aws:iam::123456789012:role/bench',
      networkConfiguration: { networkMode: 'PUBLIC' },
      agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
    }),
  );
  while ((await control.send(new GetAgentRuntimeCommand({ agentRuntimeId }))).status !== 'READY')
    await new Promise((resolve) => setTimeout(resolve, 100));
  control.destroy();
  return agentRuntimeArn ?? '';
}
