/**
 * The assistant in sessions of the local AgentCore Runtime, driven by the official AWS client: a question, a pause, the end of the session, a decision in
 * the next one. The program is that of `npm run assistant`; what differs is its environment, and that the client signs.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BedrockAgentCoreClient, InvokeAgentRuntimeCommand } from '@aws-sdk/client-bedrock-agentcore';
import { BedrockAgentCoreControlClient, CreateAgentRuntimeCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { type AgentCore, movableClock, type RunningSession, startAgentCore } from 'rondo/agentcore/wire';

const IMAGE = '123456789012.dkr.ecr.us-east-1.amazonaws.com/assistant:1';
const SESSION = 'a-session-of-ann-about-her-kettle-42';
/** Milliseconds after which Runtime ends a session that is not used. */
const IDLE = 900_000;

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export interface Answer {
  readonly runId: string;
  readonly status: string;
  readonly output?: string;
  readonly approvals?: readonly { readonly id: string; readonly tool: string; readonly reason?: string }[];
}

export interface Told {
  readonly paused: Answer;
  readonly done: Answer;
  /** The session processes that ended and that run, oldest first. */
  readonly sessions: readonly (Pick<RunningSession, 'id'> & { readonly reason?: string })[];
  /** What the sessions refunded. */
  readonly refunds: readonly unknown[];
}

/** A Runtime of this machine with the assistant in it. @param env of each of its sessions. */
export async function assistantRuntime(folder: string, env: Readonly<Record<string, string>>): Promise<{ server: AgentCore; arn: string }> {
  const server = await startAgentCore({
    clock: movableClock({ frozen: true, start: Date.now() }),
    bindings: { [`container:${IMAGE}`]: { command: ['node', '--import', path('../../scripts/source.ts'), path('serve.ts')], env } },
    sessions: { logs: join(folder, 'logs') },
  });
  const { controlPlane } = clientOptions(server);
  const control = new BedrockAgentCoreControlClient(controlPlane);
  const { agentRuntimeArn = '' } = await control.send(
    new CreateAgentRuntimeCommand({
      agentRuntimeName: 'assistant',
      roleArn: 'arn:aws:iam::123456789012:role/assistant',
      networkConfiguration: { networkMode: 'PUBLIC' },
      agentRuntimeArtifact: { containerConfiguration: { containerUri: IMAGE } },
    }),
  );
  control.destroy();
  // it is READY then
  await server.clock.advance(2_000);
  return { server, arn: agentRuntimeArn };
}

/** What the clients are told. On AWS they need none of it; `server.env` says the same to a program of its own. */
function clientOptions({ env, clock }: AgentCore) {
  const credentials = { accessKeyId: env.AWS_ACCESS_KEY_ID ?? '', secretAccessKey: env.AWS_SECRET_ACCESS_KEY ?? '' };
  // they sign by the server's clock, which was moved
  const all = { region: env.AWS_REGION ?? '', credentials, maxAttempts: 1, systemClockOffset: clock.now() - Date.now() };
  return {
    dataPlane: { ...all, endpoint: env.AWS_ENDPOINT_URL_BEDROCK_AGENTCORE ?? '' },
    controlPlane: { ...all, endpoint: env.AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL ?? '' },
  };
}

/** One turn of ann's session, over a client of its own. */
export async function invoke(server: AgentCore, arn: string, turn: object): Promise<Answer> {
  const client = new BedrockAgentCoreClient(clientOptions(server).dataPlane);
  try {
    const { response } = await client.send(
      new InvokeAgentRuntimeCommand({
        agentRuntimeArn: arn,
        runtimeSessionId: SESSION,
        runtimeUserId: 'ann',
        contentType: 'application/json',
        payload: Buffer.from(JSON.stringify(turn)),
      }),
    );
    return JSON.parse((await response?.transformToString()) ?? '') as Answer;
  } finally {
    client.destroy();
  }
}

/** @param folder for the journal, which outlives the sessions, and for what they print. */
export async function onTheWire(folder: string, say: (line: string) => void = () => undefined): Promise<Told> {
  const { server, arn } = await assistantRuntime(folder, { ASSISTANT_JOURNAL: join(folder, 'assistant.db') });
  await using _ = server;
  say(`AgentCore on this machine: ${server.url}\nann: Refund order 42, please.`);
  const paused = await invoke(server, arn, { input: 'Refund order 42, please.', requestId: 'kettle' });
  for (const { tool, reason } of paused.approvals ?? []) say(`  ${paused.status}: ${tool} needs an approval, because ${reason}`);
  await server.clock.advance(IDLE);
  while (server.sessions().running.length > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  say(`15 minutes later by the server's clock, the session is gone: ${server.sessions().ended[0]?.why}`);
  say('ann approves, in a session process of its own');
  const done = await invoke(server, arn, { decisions: paused.approvals?.map(({ id }) => ({ approval: id, type: 'approve' })) });
  say(`  ${done.status}: ${done.output}`);
  const { ended, running } = server.sessions();
  return { paused, done, sessions: [...ended, ...running], refunds: printed(join(folder, 'logs')) };
}

const printed = (logs: string): unknown[] =>
  readdirSync(logs)
    .flatMap((name) => readFileSync(join(logs, name), 'utf8').split('\n'))
    .flatMap((line) => (line.startsWith('{"refunded"') ? [JSON.parse(line) as unknown] : []));
