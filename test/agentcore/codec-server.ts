import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import type { Incoming, Input } from '../../src/adapters/agentcore/wire/codec/decode.ts';
import { encode } from '../../src/adapters/agentcore/wire/codec/encode.ts';
import { AwsError, type Encoded, encodeError } from '../../src/adapters/agentcore/wire/codec/error.ts';
import { match } from '../../src/adapters/agentcore/wire/codec/match.ts';
import type { Operation, Plane } from '../../src/adapters/agentcore/wire/model/model.ts';

interface Client {
  send(command: unknown): Promise<Record<string, unknown>>;
  destroy(): void;
}
type Command = new (input: unknown) => unknown;

const packages = { data, control } as unknown as Record<Plane, Record<string, Command>>;

/** A server that is nothing but the codec, and the two official clients for it. */
export function codecServer(
  read: (operation: Operation, incoming: Incoming) => Input,
  answer: (operation: Operation, input: Input) => Input,
) {
  async function respond(request: IncomingMessage): Promise<Encoded> {
    const { pathname, searchParams } = new URL(request.url as string, 'http://server');
    const matched = match(request.method as string, pathname);
    if (!matched) return encodeError(new AwsError('UnknownOperationException', request.url as string), undefined);
    const body = Buffer.concat(await request.toArray());
    try {
      const input = read(matched.operation, { labels: matched.labels, query: searchParams, headers: request.headers, body });
      return encode(matched.operation, answer(matched.operation, input));
    } catch (error) {
      return encodeError(error, matched.operation);
    }
  }

  const server = createServer(async (request, response) => {
    const { status, headers, body } = await respond(request);
    response.writeHead(status, headers);
    if (typeof body === 'string' || body instanceof Uint8Array) return void response.end(body);
    for await (const chunk of body) response.write(chunk);
    response.end();
  });
  let clients: Record<Plane, Client>;

  return {
    async start(): Promise<void> {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const options = {
        endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        region: 'us-east-1',
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
        maxAttempts: 1,
      };
      clients = {
        data: new data.BedrockAgentCoreClient(options) as unknown as Client,
        control: new control.BedrockAgentCoreControlClient(options) as unknown as Client,
      };
    },
    stop(): void {
      clients.data.destroy();
      clients.control.destroy();
      server.close();
    },
    send({ plane, name }: Operation, input: unknown): Promise<Record<string, unknown>> {
      const { [`${name}Command`]: Made } = packages[plane];
      return clients[plane].send(new (Made as Command)(input));
    },
  };
}
