/** Targets of http: a runtime whose program is in fixtures, and services of this machine. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CreateGatewayCommand,
  type CreateGatewayCommandInput,
  CreateGatewayTargetCommand,
  type CreateGatewayTargetCommandInput,
  GetGatewayTargetCommand,
  type HttpTargetConfiguration,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { onTestFinished } from 'vitest';
import type { Deployed } from '../runtime.ts';
import { CREATE } from './kit.ts';

export const SESSION = 'x-amzn-bedrock-agentcore-runtime-session-id';

export type Credential = NonNullable<CreateGatewayTargetCommandInput['credentialProviderConfigurations']>[number];

/** A gateway without protocolType, and its URL. */
export async function gatewayOf(
  { controls, server }: Pick<Deployed, 'controls' | 'server'>,
  input: Partial<CreateGatewayCommandInput> = {},
) {
  const { protocolType: _, ...rest } = CREATE;
  const { gatewayId: id = '', gatewayUrl: url = '' } = await controls.send(
    new CreateGatewayCommand({ ...rest, ...input } as CreateGatewayCommandInput),
  );
  await server.clock.advance(2_000);
  return {
    id,
    url,
    async target(http: HttpTargetConfiguration, credential?: Credential, name = 'clerk') {
      const { targetId = '' } = await controls.send(
        new CreateGatewayTargetCommand({
          gatewayIdentifier: id,
          name,
          targetConfiguration: { http },
          ...(credential && { credentialProviderConfigurations: [credential] }),
        }),
      );
      await server.clock.advance(2_000);
      return controls.send(new GetGatewayTargetCommand({ gatewayIdentifier: id, targetId }));
    },
  };
}

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export const ENDPOINT = 'https://orders.example/v1';

/** A service behind `ENDPOINT`. */
export async function service(answer: (seen: Seen, response: ServerResponse) => void) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { method = '', url = '', headers } = request;
    const one = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
    seen.push(one);
    answer(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { seen, bindings: { 'url:https://orders.example': `http://127.0.0.1:${port}` } };
}
