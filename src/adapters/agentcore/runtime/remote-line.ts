/** Calls to AgentCore Runtime: signed, by the official client, or with a token, by HTTP, because that client cannot send one. */

import type { BedrockAgentCoreClient, InvokeAgentRuntimeCommandInput } from '@aws-sdk/client-bedrock-agentcore';
import { invalid, ToolError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import { Secrets } from '../../../secrets.ts';
import type { AgentCoreClient } from '../client.ts';
import { SESSION } from '../headers.ts';
import { type CommandEvent, commandEvents } from './remote-events.ts';
import { type Received, request, type Sending, textOf } from './remote-http.ts';

export interface RuntimeOptions {
  /** The ARN of the agent runtime. */
  arn: string;
  /** The endpoint. Default `DEFAULT`. */
  qualifier?: string;
  /** Default: the region of the ARN. */
  region?: string;
  /** `sigv4`, the default: signed with the credentials of the environment. `bearer`: a token, or a function that gets one for each call. */
  auth?: 'sigv4' | { bearer: string | (() => string | Promise<string>) };
  /** The client for signed calls, with `maxAttempts: 1`. Default: one that is made at the first call. */
  client?: AgentCoreClient & { readonly config: { maxAttempts(): Promise<number> } };
  /** The URL of the data plane. Default: `AWS_ENDPOINT_URL_BEDROCK_AGENTCORE`, else that of the region. */
  endpoint?: string;
}

export interface Asking {
  readonly session: string;
  readonly payload: string;
  readonly traceparent: string | undefined;
  readonly user: string | undefined;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly type: string;
  readonly body: AsyncIterable<Uint8Array>;
}

type Sdk = typeof import('@aws-sdk/client-bedrock-agentcore');

export const EXAMPLES = {
  arn: "arn: 'arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/desk-a1b2c3d4e5'",
  qualifier: "qualifier: 'prod'",
  region: "region: 'us-east-1'",
  auth: 'auth: { bearer: () => token() }',
  client: 'client: new BedrockAgentCoreClient({ maxAttempts: 1 })',
  endpoint: "endpoint: 'http://127.0.0.1:4566'",
} satisfies Record<keyof RuntimeOptions, string>;

/** What an answer may be. A runtime of ours then streams. */
const ACCEPT = 'text/event-stream, application/json;q=0.9, */*;q=0.5';
const EVENTS = 'application/vnd.amazon.eventstream';
/** Bytes of a card. */
const CARD_BYTES = 1_000_000;
const JSON_TYPE = { 'content-type': 'application/json' };

export class RuntimeLine {
  readonly arn: string;
  readonly #o: RuntimeOptions;
  readonly #region: string;

  /** @throws RondoError `CONFIG_INVALID`. */
  constructor(o: RuntimeOptions, where: string) {
    const region = /^arn:aws[\w-]*:bedrock-agentcore:([a-z0-9-]+):\d{12}:runtime\/[\w-]+$/.exec(o?.arn ?? '')?.[1];
    if (!region) throw invalid(`${where}: arn is that of an agent runtime. For example: { ${EXAMPLES.arn} }.`);
    if (o.endpoint !== undefined && !/^https?:$/.test(URL.canParse(o.endpoint) ? new URL(o.endpoint).protocol : ''))
      throw invalid(`${where}: endpoint is an http or https URL.`);
    const { auth = 'sigv4' } = o;
    if (auth !== 'sigv4' && typeof auth?.bearer !== 'string' && typeof auth?.bearer !== 'function')
      throw invalid(`${where}: auth is 'sigv4', or { bearer } with a token or a function that gets one.`);
    if (auth !== 'sigv4' && o.client) throw invalid(`${where}: the AWS client cannot send a token. Leave client out.`);
    this.arn = o.arn;
    this.#o = o;
    this.#region = o.region ?? region;
  }

  /** The token of a call, to be sent with it and masked in what comes of it; undefined for a signed one. A function of the application is asked each time. */
  async token(): Promise<string | undefined> {
    const { auth = 'sigv4' } = this.#o;
    if (auth === 'sigv4') return undefined;
    try {
      return typeof auth.bearer === 'function' ? await auth.bearer() : auth.bearer;
    } catch (cause) {
      throw new ToolError('AGENTCORE_NO_CREDENTIALS', 'the token for AgentCore could not be had.', {
        outcome: 'not-run',
        retryable: true,
        cause,
      });
    }
  }

  async invoke({ session, payload, traceparent, user, signal }: Asking, token: string | undefined): Promise<Answer> {
    if (token !== undefined) {
      const own = { ...JSON_TYPE, accept: ACCEPT, ...(traceparent !== undefined && { traceparent }) };
      const sending = { method: 'POST', headers: own, body: payload, signal } as const;
      const { headers, body } = await this.#sent('invocations', sending, session, token);
      return { type: headers['content-type'] ?? '', body };
    }
    const { sdk, client } = await this.#signing();
    const input: InvokeAgentRuntimeCommandInput = {
      ...this.#named(session),
      payload: Buffer.from(payload),
      contentType: 'application/json',
      accept: ACCEPT,
      ...(traceparent !== undefined && { traceParent: traceparent }),
      ...(user !== undefined && { runtimeUserId: user }),
    };
    const answer = await client.send(new sdk.InvokeAgentRuntimeCommand(input), { abortSignal: signal });
    return { type: answer.contentType ?? '', body: (answer.response as AsyncIterable<Uint8Array> | undefined) ?? empty() };
  }

  /** Ends a session. @param key the same for a repeat, at least 33 characters. */
  async stop(session: string, key: string, signal: AbortSignal, token: string | undefined): Promise<void> {
    if (token !== undefined) {
      const sending = { method: 'POST', headers: JSON_TYPE, body: JSON.stringify({ clientToken: key }), signal } as const;
      await textOf((await this.#sent('stopruntimesession', sending, session, token)).body, CARD_BYTES);
      return;
    }
    const { sdk, client } = await this.#signing();
    await client.send(new sdk.StopRuntimeSessionCommand({ ...this.#named(session), clientToken: key }), { abortSignal: signal });
  }

  /** The card of a runtime of the protocol A2A. */
  async card(session: string, signal: AbortSignal, token: string | undefined): Promise<unknown> {
    if (token !== undefined) {
      const sending = { method: 'GET', headers: { accept: 'application/json' }, signal } as const;
      const { body } = await this.#sent('invocations/.well-known/agent-card.json', sending, session, token);
      return JSON.parse(await textOf(body, CARD_BYTES));
    }
    const { sdk, client } = await this.#signing();
    return (await client.send(new sdk.GetAgentCardCommand(this.#named(session)), { abortSignal: signal })).agentCard;
  }

  /** Runs a command in the session. Events as the client gives them. */
  async command(
    session: string,
    command: string,
    timeout: number,
    signal: AbortSignal,
    token: string | undefined,
  ): Promise<AsyncIterable<CommandEvent>> {
    const body = { command, timeout };
    if (token !== undefined) {
      const sending = { method: 'POST', headers: { ...JSON_TYPE, accept: EVENTS }, body: JSON.stringify(body), signal } as const;
      return commandEvents((await this.#sent('commands', sending, session, token)).body);
    }
    const { sdk, client } = await this.#signing();
    const { stream } = await client.send(new sdk.InvokeAgentRuntimeCommandCommand({ ...this.#named(session), body }), {
      abortSignal: signal,
    });
    return stream ?? empty();
  }

  #named(session: string) {
    const { qualifier } = this.#o;
    return { agentRuntimeArn: this.arn, runtimeSessionId: session, ...(qualifier !== undefined && { qualifier }) };
  }

  readonly #signing = lazy(() => this.#made());

  async #made(): Promise<{ sdk: Sdk; client: BedrockAgentCoreClient }> {
    const { client, endpoint } = this.#o;
    let sdk: Sdk;
    try {
      sdk = await import('@aws-sdk/client-bedrock-agentcore');
    } catch (cause) {
      throw new ToolError('AGENTCORE_NO_CLIENT', 'the AWS client is not there. Run: npm install @aws-sdk/client-bedrock-agentcore', {
        outcome: 'not-run',
        cause,
      });
    }
    // an agent that is asked three times may act three times
    if (client && (await client.config.maxAttempts()) !== 1)
      throw new ToolError('AGENTCORE_CLIENT_RETRIES', 'the client repeats calls by itself. Make it with maxAttempts: 1.', {
        outcome: 'not-run',
      });
    const own = () => new sdk.BedrockAgentCoreClient({ maxAttempts: 1, region: this.#region, ...(endpoint !== undefined && { endpoint }) });
    return { sdk, client: (client as BedrockAgentCoreClient | undefined) ?? own() };
  }

  /** @throws HttpFailure */
  #sent(path: string, sending: Sending, session: string, token: string): Promise<Received> {
    const { qualifier, endpoint = process.env.AWS_ENDPOINT_URL_BEDROCK_AGENTCORE } = this.#o;
    const base = (endpoint ?? `https://bedrock-agentcore.${this.#region}.amazonaws.com`).replace(/\/$/, '');
    const url = new URL(`${base}/runtimes/${encodeURIComponent(this.arn)}/${path}`);
    if (qualifier !== undefined) url.searchParams.set('qualifier', qualifier);
    return request(url, { ...sending, headers: { ...sending.headers, authorization: `Bearer ${token}`, [SESSION]: session } });
  }
}

/** Takes the token of a call out of a text: an answer may quote it. */
export const masking = (token: string | undefined) => new Secrets(token === undefined ? [] : [['authorization', token]]).mask;

async function* empty(): AsyncGenerator<never> {}
