import { connect } from 'node:net';
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

/** Sends a request as it is, with a path that no client would change. `type`: the error's. `message`: the body. */
export async function sentAsIs(
  port: number,
  { method, path, headers, body }: Sent,
): Promise<{ status: number; type: string | undefined; message: string }> {
  const response = await new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => resolve(text)).on('error', reject);
    const lines = Object.entries({ ...headers, connection: 'close', 'content-length': String(Buffer.byteLength(body)) });
    socket.write(`${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`);
  });
  const [head = '', ...rest] = response.split('\r\n\r\n');
  const type = /x-amzn-errortype: (\w+)/i.exec(head)?.[1];
  return { status: Number(head.split(' ')[1]), type, message: rest.join() };
}
