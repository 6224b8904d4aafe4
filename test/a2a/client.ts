/** The official SDK's own client, as anybody would use it. */
import { type Message, type Part, Role, type StreamResponse, type Task, TaskState } from '@a2a-js/sdk';
import { type Client, ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory } from '@a2a-js/sdk/client';
import type { Json } from '../../src/index.ts';

export type Transport = 'JSONRPC' | 'HTTP+JSON' | '0.3';

const withToken =
  (token: string | undefined): typeof fetch =>
  (input, init) => {
    const headers = new Headers(init?.headers);
    if (token) headers.set('authorization', `Bearer ${token}`);
    return fetch(input, { ...init, headers });
  };

export async function connect(url: string, transport: Transport = 'JSONRPC', token?: string): Promise<Client> {
  const fetchImpl = withToken(token);
  const { RestTransportFactory } = await import('@a2a-js/sdk/client');
  if (transport === '0.3') {
    // what a client of 0.3 sends and understands; it asks for the card without a version
    const legacyCompat = { enabled: true };
    const raw = (await (await fetch(`${url}/.well-known/agent-card.json`)).json()) as Record<string, unknown>;
    const { supportedInterfaces: _, ...card } = raw;
    const cardResolver = new DefaultAgentCardResolver({ legacyCompat });
    const factory = new ClientFactory({ transports: [new JsonRpcTransportFactory({ fetchImpl, legacyCompat })], cardResolver });
    return factory.createFromAgentCard(card as never);
  }
  const transports = [new JsonRpcTransportFactory({ fetchImpl }), new RestTransportFactory({ fetchImpl })];
  return new ClientFactory(
    ClientFactoryOptions.createFrom(ClientFactoryOptions.default, { transports, preferredTransports: [transport] }),
  ).createFromUrl(url);
}

let n = 0;
const part = (content: NonNullable<Part['content']>): Part => ({ content, mediaType: '', filename: '', metadata: undefined });

export const message = (content: string | Json, o: Partial<Message> = {}): Message => ({
  messageId: `m-${process.pid}-${n++}`,
  contextId: '',
  taskId: '',
  role: Role.ROLE_USER,
  parts: [part(typeof content === 'string' ? { $case: 'text', value: content } : { $case: 'data', value: content })],
  metadata: undefined,
  extensions: [],
  referenceTaskIds: [],
  ...o,
});

const request = (m: Message) => ({ tenant: '', message: m, configuration: undefined, metadata: undefined });

export async function send(client: Client, content: string | Json, o: Partial<Message> = {}): Promise<Task> {
  const answer = await client.sendMessage(request(message(content, o)));
  if ('messageId' in answer) throw new Error('a message, and no task');
  return answer;
}

export async function stream(client: Client, content: string | Json, o: Partial<Message> = {}): Promise<StreamResponse[]> {
  const events: StreamResponse[] = [];
  for await (const event of client.sendMessageStream(request(message(content, o)))) events.push(event);
  return events;
}

export const get = (client: Client, id: string) => client.getTask({ tenant: '', id });
export const stateOf = (task: Task | undefined) => TaskState[task?.status?.state ?? 0];
export const texts = (parts: readonly Part[] | undefined) =>
  (parts ?? []).map((p) => (p.content?.$case === 'text' ? p.content.value : '')).join('');
export const output = (task: Task) => texts(task.artifacts[0]?.parts);

export interface Asked {
  id: string;
  kind: string;
  tool?: string;
  input?: Json;
  question?: string;
  url?: string;
  reason?: string;
}
/** The approvals that a task's status lists as data. */
export const approvalsIn = (task: Task): Asked[] =>
  (task.status?.message?.parts ?? []).flatMap((p) =>
    p.content?.$case === 'data' ? (p.content.value as { approvals: Asked[] }).approvals : [],
  );
