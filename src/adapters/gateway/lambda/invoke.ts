/** Calls of AWS Lambda: the real one by a signed request, and a handler in this process. */

import { pathToFileURL } from 'node:url';
import { invalid, ToolError } from '../../../errors.ts';
import { lazy } from '../../../flight.ts';
import type { Json, JsonObject } from '../../../json.ts';
import { toldJson } from '../../../json.ts';
import { type SigningKeys, signedHeaders } from '../../../server/sigv4.ts';
import { had } from '../outbound/auth.ts';
import { type Answer, send } from '../outbound/send.ts';

/** As AgentCore sends it: `custom` of the client context. */
export interface ClientContext {
  readonly custom: { readonly [name: string]: string };
}

export interface Invocation {
  readonly event: JsonObject;
  readonly clientContext: ClientContext;
  readonly signal: AbortSignal;
  /** Epoch milliseconds; Infinity without a timeout. */
  readonly deadline: number;
}

/** What a function answered. `error`: it threw, and `payload` is `{ errorType, errorMessage }`. */
export interface Invoked {
  readonly payload: Json;
  readonly error?: 'Handled' | 'Unhandled';
}

export type Invoke = (invocation: Invocation) => Promise<Invoked>;

/** As far as a handler in this process is given one. */
export interface LambdaContext {
  readonly awsRequestId: string;
  readonly functionName: string;
  readonly functionVersion: string;
  readonly invokedFunctionArn: string;
  readonly memoryLimitInMB: string;
  readonly logGroupName: string;
  readonly logStreamName: string;
  readonly clientContext: ClientContext;
  callbackWaitsForEmptyEventLoop: boolean;
  getRemainingTimeInMillis(): number;
}
export type LambdaHandler = (event: JsonObject, context: LambdaContext) => unknown;

/** AWS's limit of an event and of a result. */
const MOST_BYTES = 6 * 1024 * 1024;

/** Sends the event to the service. */
export function remote(o: {
  name: string;
  qualifier?: string;
  region: string;
  endpoint?: string;
  keys: () => SigningKeys | Promise<SigningKeys>;
}): Invoke {
  const url = new URL(
    `${(o.endpoint ?? `https://lambda.${o.region}.amazonaws.com`).replace(/\/$/, '')}/2015-03-31/functions/${encodeURIComponent(o.name)}/invocations`,
  );
  if (o.qualifier !== undefined) url.searchParams.set('Qualifier', o.qualifier);
  return async ({ event, clientContext, signal }) => {
    const body = Buffer.from(JSON.stringify(event));
    const headers = {
      'content-type': 'application/json',
      'x-amz-invocation-type': 'RequestResponse',
      'x-amz-client-context': Buffer.from(JSON.stringify(clientContext)).toString('base64'),
    };
    const keys = await had(o.keys, 'lambdaTools()');
    const secrets = [
      ['AWS secret', keys.secretAccessKey],
      ['AWS session token', keys.sessionToken ?? ''],
    ] as const;
    const line = {
      name: `function "${o.name}"`,
      fetch,
      maxBytes: MOST_BYTES,
      authorize: async (request: Parameters<typeof send>[1]) => {
        const added = signedHeaders({ ...request, body }, keys, { region: o.region, service: 'lambda', at: Date.now() });
        return { request: { ...request, headers: { ...request.headers, ...added } }, secrets };
      },
    };
    const { answer } = await send(line, { method: 'POST', url, headers, body }, signal);
    return invokedBy(answer);
  };
}

function invokedBy({ headers, bytes }: Answer): Invoked {
  const text = new TextDecoder().decode(bytes);
  const error = headers.get('x-amz-function-error');
  return { payload: text === '' ? null : parsed(text), ...(error && { error: error === 'Handled' ? 'Handled' : 'Unhandled' }) };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new ToolError('BAD_RESPONSE', 'The function answered with something that is not JSON.', { outcome: 'unknown' });
  }
}

/** Calls a handler as Lambda does: its event and its result are JSON, and what it throws is an answer. @param name of the function, or its ARN. */
export function inProcess(given: string | LambdaHandler, name: string, where: string): Invoke {
  const loading = lazy(async () => (typeof given === 'string' ? loaded(given, where) : given));
  const short = name.startsWith('arn:') ? (name.split(':')[6] ?? name) : name;
  return async ({ event, clientContext, deadline }) => {
    const handler = await loading();
    const id = clientContext.custom.bedrockAgentCoreAwsRequestId ?? crypto.randomUUID();
    const context: LambdaContext = {
      awsRequestId: id,
      functionName: short,
      functionVersion: '$LATEST',
      invokedFunctionArn: name.startsWith('arn:') ? name : `arn:aws:lambda:us-east-1:123456789012:function:${name}`,
      memoryLimitInMB: '128',
      logGroupName: `/aws/lambda/${short}`,
      logStreamName: id,
      clientContext,
      callbackWaitsForEmptyEventLoop: true,
      getRemainingTimeInMillis: () => Math.max(0, Math.min(deadline - Date.now(), 900_000)),
    };
    try {
      const result: unknown = await handler(structuredClone(event), context);
      return { payload: toldJson(result).json };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      return { error: 'Unhandled', payload: { errorType: error.name, errorMessage: error.message } };
    }
  };
}

/** `file.mjs#handler`, or `file.handler` as Lambda writes it. @throws ToolError `LAMBDA_UNAVAILABLE` */
async function loaded(place: string, where: string): Promise<LambdaHandler> {
  const { file, name } = placeOf(place, where);
  const gone = (why: string, cause?: unknown) =>
    new ToolError('LAMBDA_UNAVAILABLE', `${where}: the handler ${place} cannot be used: ${why}.`, { outcome: 'not-run', cause });
  let found: { readonly [name: string]: unknown; default?: unknown };
  try {
    found = (await import(pathToFileURL(file).href)) as typeof found;
  } catch (cause) {
    // its message has paths of this machine, and the model reads what this throws
    const { code, name = 'its module threw' } = Object(cause) as { code?: unknown; name?: unknown };
    throw gone(`it cannot be loaded (${code ?? name})`, cause);
  }
  // of a CommonJS module
  const inside = typeof found.default === 'object' && found.default !== null ? (found.default as typeof found)[name] : undefined;
  const handler = found[name] ?? inside;
  if (typeof handler !== 'function') throw gone(`its module exports no function "${name}"`);
  return handler as LambdaHandler;
}

/** @throws RondoError `CONFIG_INVALID` */
export function placeOf(place: string, where: string): { file: string; name: string } {
  const [, file, name] = /^(.+)#([\w$]+)$/.exec(place) ?? [];
  if (file === undefined || name === undefined)
    throw invalid(`${where}: handler is a file and the name of its export: './functions/refund.mjs#handler'.`);
  return { file, name };
}
