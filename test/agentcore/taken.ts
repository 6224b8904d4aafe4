import type { BedrockAgentCoreClient } from '@aws-sdk/client-bedrock-agentcore';
import type { BedrockAgentCoreControlClient } from '@aws-sdk/client-bedrock-agentcore-control';

export interface Sent {
  method: string;
  /** With its query. */
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** What an unmodified client would send for a command: it is taken before it leaves. */
export async function taken(client: BedrockAgentCoreClient | BedrockAgentCoreControlClient, command: unknown): Promise<Sent> {
  const { middlewareStack } = client as BedrockAgentCoreControlClient;
  let sent: Sent | undefined;
  middlewareStack.add(
    () => async (args) => {
      const { method, path, headers, body, query } = args.request as Sent & { query: Record<string, string | string[]> };
      const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((one): [string, string] => [name, one]));
      const text = new URLSearchParams(pairs).toString();
      sent = { method, path: text === '' ? path : `${path}?${text}`, headers, body: Buffer.from(body ?? '').toString() };
      throw new Error('not sent');
    },
    { step: 'finalizeRequest', priority: 'low', name: 'take' },
  );
  await (client as BedrockAgentCoreControlClient).send(command as never).catch(() => undefined);
  if (!sent) throw new Error('the client sent nothing');
  return sent;
}

/** A text with one bit of one of its bytes changed. */
export const flip = (text: string, at: number) => text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1);
