/** Gateways of a local server, made by the official client. */
import {
  CreateGatewayCommand,
  type CreateGatewayCommandInput,
  CreateGatewayTargetCommand,
  type CreateGatewayTargetCommandInput,
  GetGatewayTargetCommand,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { onTestFinished } from 'vitest';
import type { AgentCoreOptions, Bindings } from '../../../src/adapters/agentcore/wire/index.ts';
import { signedHeaders } from '../../../src/server/sigv4.ts';
import { type Started, started } from '../memory/kit.ts';

export { started };

const ROLE = 'arn:aws:iam::123456789012:role/gw';
export const LAMBDA = 'arn:aws:lambda:us-east-1:123456789012:function:refund';

export const CREATE: CreateGatewayCommandInput = { name: 'Desk', roleArn: ROLE, authorizerType: 'AWS_IAM', protocolType: 'MCP' };

/** A target that is a Lambda function of one tool. */
export const refunds = (name = 'Refund', tools = ['process']): Omit<CreateGatewayTargetCommandInput, 'gatewayIdentifier'> => ({
  name,
  targetConfiguration: {
    mcp: {
      lambda: {
        lambdaArn: LAMBDA,
        toolSchema: {
          inlinePayload: tools.map((tool) => ({
            name: tool,
            description: `Refunds an order: ${tool}.`,
            inputSchema: { type: 'object', properties: { amount: { type: 'integer', description: 'In dollars.' } }, required: ['amount'] },
          })),
        },
      },
    },
  },
  credentialProviderConfigurations: [{ credentialProviderType: 'GATEWAY_IAM_ROLE' }],
});

export interface WithGateway extends Started {
  id: string;
  url: string;
  /** Makes a target, and waits until it is what it will be. */
  target(input: Omit<CreateGatewayTargetCommandInput, 'gatewayIdentifier'>): Promise<{ id: string; status: string; reasons: string }>;
}

/** A gateway that is ready. */
export async function withGateway(
  input: Partial<CreateGatewayCommandInput> = {},
  o: AgentCoreOptions & { attempts?: number } = {},
): Promise<WithGateway> {
  const found = await started(o);
  const { gatewayId: id = '', gatewayUrl: url = '' } = await found.controls.send(new CreateGatewayCommand({ ...CREATE, ...input }));
  await found.server.clock.advance(2_000);
  return {
    ...found,
    id,
    url,
    async target(of) {
      const { targetId = '' } = await found.controls.send(new CreateGatewayTargetCommand({ gatewayIdentifier: id, ...of }));
      await found.server.clock.advance(2_000);
      const { status, statusReasons } = await found.controls.send(new GetGatewayTargetCommand({ gatewayIdentifier: id, targetId }));
      return { id: targetId, status: status as string, reasons: (statusReasons ?? []).join() };
    },
  };
}

export const BINDINGS: Bindings = { [`lambda:${LAMBDA}`]: `${import.meta.dirname}/../fixtures/lambdas.ts#handler` };

/** A `fetch` that signs with the key in the environment, as a caller of a gateway with AWS_IAM must. */
export const signing: typeof fetch = (url, init = {}) => {
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env;
  const headers = Object.fromEntries(new Headers(init.headers));
  const request = { method: init.method ?? 'GET', url: new URL(String(url)), headers, body: String(init.body ?? '') };
  const signed = signedHeaders(
    request,
    { accessKeyId, secretAccessKey },
    { region: 'us-east-1', service: 'bedrock-agentcore', at: Date.now() },
  );
  return fetch(url, { ...init, headers: { ...headers, ...signed } });
};

/** The client of the MCP SDK, unmodified. */
export async function connected(url: string, o: { token?: string; fetch?: typeof fetch } = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const requestInit = o.token === undefined ? {} : { headers: { authorization: `Bearer ${o.token}` } };
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit,
    ...(o.token === undefined && { fetch: o.fetch ?? signing }),
  });
  await client.connect(transport as never);
  onTestFinished(() => client.close());
  return client;
}

/** A message to an endpoint, as no client would send it. */
export async function posted(url: string, body: unknown, headers: Record<string, string> = {}, send: typeof fetch = fetch) {
  const response = await send(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify({ jsonrpc: '2.0', ...(body as object) }),
  });
  const text = await response.text();
  const data = /^data: (.*)$/m.exec(text)?.[1] ?? text;
  return { status: response.status, headers: response.headers, body: data === '' ? undefined : JSON.parse(data) };
}

/** The text of a result. */
export const textOf = (result: unknown): string =>
  (result as { content: { type: string; text?: string }[] }).content.map(({ text }) => text ?? '').join('');
