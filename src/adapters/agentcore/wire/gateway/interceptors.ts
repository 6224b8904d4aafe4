/** Interceptors of a gateway: Lambda functions between its callers and its targets. */
import type { JsonObject } from '../../../../json.ts';
import {
  type GatewayRequest,
  type GatewayResponse,
  type InterceptedCall,
  Interception,
  type InterceptorOptions,
  type Interceptors,
} from '../../../gateway/interception.ts';
import type { Invoke } from '../../../gateway/lambda/invoke.ts';
import type { Bound } from '../bindings.ts';
import type { Encoded } from '../codec/error.ts';
import { OPAQUE } from './exchange.ts';
import { boundFunction } from './lambda.ts';
import type { Gateway, Interceptor } from './resources.ts';
import { fieldsOf } from './rpc.ts';
import { eventOf, isStream, messagesIn } from './streaming.ts';

/** The code of JSON-RPC for what the client is told nothing of. */
export const INTERNAL = -32_603;

/** Milliseconds of one interceptor. */
const TIMEOUT = 10_000;

/** The interceptors of gateways; undefined for a gateway without any. Each function is loaded once. */
export function interceptions(bound: Bound): (gateway: Gateway) => Interception | undefined {
  const functions = new Map<string, Invoke>();
  const invoke: Interceptors['invoke'] = async (arn, event, { signal }) => {
    const call = functions.get(arn) ?? boundFunction(bound, arn);
    functions.set(arn, call);
    const { payload, error } = await call({
      event: event as unknown as JsonObject,
      clientContext: { custom: {} },
      signal,
      deadline: Date.now() + TIMEOUT,
    });
    if (error === undefined) return payload;
    const { errorType, errorMessage } = fieldsOf(payload);
    throw new Error(`${errorType}: ${errorMessage}`);
  };
  return ({ settings: { interceptorConfigurations: all = [] } }) => {
    const at = (point: 'REQUEST' | 'RESPONSE') =>
      all.filter(({ interceptionPoints }) => interceptionPoints.includes(point)).map(optionsOf)[0];
    const [request, response] = [at('REQUEST'), at('RESPONSE')];
    return request || response ? new Interception({ ...(request && { request }), ...(response && { response }), invoke }) : undefined;
  };
}

function optionsOf({ interceptor, inputConfiguration }: Interceptor): InterceptorOptions {
  const { passRequestHeaders = false, payloadFilter } = inputConfiguration ?? {};
  return {
    interceptor: interceptor.lambda?.arn ?? '',
    passRequestHeaders,
    timeout: TIMEOUT,
    ...(payloadFilter && { payloadFilter: { exclude: payloadFilter.exclude.map(() => 'RESPONSE_BODY' as const) } }),
  };
}

/** What says how the bytes of an answer are sent: the server that sends them does. */
const FRAMING: ReadonlySet<string> = new Set(
  'content-length transfer-encoding content-encoding connection keep-alive te trailer upgrade'.split(' '),
);

/** Names of headers in lower case. @throws TypeError for what cannot be one. */
const headersOf = ({ headers }: Pick<GatewayResponse, 'headers'> | Response): Record<string, string> =>
  Object.fromEntries([...new Headers(headers)].filter(([name]) => !FRAMING.has(name)));

/** @throws TypeError for what cannot be a header. */
const encodedOf = (response: GatewayResponse): Encoded => ({
  status: response.statusCode,
  headers: { 'content-type': 'application/json', ...headersOf(response) },
  body: response.body === undefined ? '' : JSON.stringify(response.body),
});

/** An answer of the gateway itself, as the interceptor of the response lets it out. */
export const letOut = async (
  to: Interception,
  request: GatewayRequest,
  response: GatewayResponse,
  call: InterceptedCall,
): Promise<Encoded> => encodedOf(await to.response(request, response, call));

/** An answer as it is. */
export const encodedFrom = (response: Response): Encoded => ({
  status: response.status,
  headers: headersOf(response),
  body: (response.body as AsyncIterable<Uint8Array> | null) ?? '',
});

/**
 * An answer of the gateway or its targets, one message or a stream of them, as the interceptor of the response lets it out.
 * @param tell told why a message of a stream is withheld: it is read when the request is over.
 */
export async function lettingOut(
  to: Interception,
  request: GatewayRequest,
  response: Response,
  call: InterceptedCall,
  tell: (why: string) => void,
): Promise<Encoded> {
  const headers = headersOf(response);
  const { status } = response;
  if (!to.hasResponse || response.body === null) return encodedFrom(response);
  if (!isStream(response))
    return letOut(to, request, { statusCode: status, headers, body: JSON.parse(await response.text()) as JsonObject }, call);
  const events = messagesIn(response.body as AsyncIterable<Uint8Array>);
  const first = await events.next();
  const begun: GatewayResponse = { statusCode: status, headers, ...(!first.done && { body: first.value }) };
  try {
    const shown = first.done ? begun : await to.response(request, begun, call, 'first');
    return { status: shown.statusCode, headers: { ...headers, ...headersOf(shown) }, body: rest(shown) };
  } catch (error) {
    // what is not let out is not waited for
    void events.return(undefined).catch(() => undefined);
    throw error;
  }

  async function* rest(shown: GatewayResponse): AsyncGenerator<Uint8Array> {
    if (shown.body) yield eventOf(shown.body);
    for await (const body of events) {
      const next = await later(shown, body);
      if (next) yield eventOf(next);
    }
  }

  /** The answer has begun, so what an interceptor fails about is withheld in the stream: an error in its place, and nothing in place of a request. */
  async function later(shown: GatewayResponse, body: JsonObject): Promise<JsonObject | undefined> {
    try {
      return (await to.response(request, { statusCode: shown.statusCode, headers, body }, call, 'later')).body;
    } catch (error) {
      tell((error as Error).message);
      return body.method === undefined ? { jsonrpc: '2.0', id: body.id ?? null, error: { code: INTERNAL, message: OPAQUE } } : undefined;
    }
  }
}
