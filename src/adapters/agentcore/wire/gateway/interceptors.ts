/** Interceptors of a gateway: Lambda functions between its callers and its targets. */
import type { Json, JsonObject } from '../../../../json.ts';
import {
  type GatewayRequest,
  type GatewayResponse,
  type InterceptedCall,
  Interception,
  type InterceptorOptions,
} from '../../../gateway/interception.ts';
import type { Bound } from '../bindings.ts';
import type { Encoded } from '../codec/error.ts';
import { tellLog } from './exchange.ts';
import { boundFunction } from './lambda.ts';
import type { Gateway, Interceptor } from './resources.ts';

/** Milliseconds of one interceptor. */
const TIMEOUT = 10_000;

/** Undefined for a gateway without interceptors. */
export function interceptionOf(bound: Bound, { settings }: Gateway): Interception | undefined {
  const { interceptorConfigurations = [] } = settings;
  if (interceptorConfigurations.length === 0) return undefined;
  const at = (point: 'REQUEST' | 'RESPONSE') => {
    const found = interceptorConfigurations.find(({ interceptionPoints }) => interceptionPoints.includes(point));
    return found && optionsOf(found);
  };
  const [request, response] = [at('REQUEST'), at('RESPONSE')];
  return new Interception({
    ...(request && { request }),
    ...(response && { response }),
    async invoke(arn, event, { signal }) {
      const call = { event: event as unknown as JsonObject, clientContext: { custom: {} }, signal, deadline: Date.now() + TIMEOUT };
      const { payload, error } = await boundFunction(bound, arn)(call);
      if (error === undefined) return payload;
      const { errorType, errorMessage } = payload as { errorType?: Json; errorMessage?: Json };
      throw new Error(`${errorType}: ${errorMessage}`);
    },
  });
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

const encodedOf = ({ statusCode, headers = {}, body }: GatewayResponse): Encoded => ({
  status: statusCode,
  headers: { 'content-type': 'application/json', ...headers },
  body: body === undefined ? '' : JSON.stringify(body),
});

/** An answer of the gateway itself, as the interceptor of the response lets it out. */
export const letOut = async (
  to: Interception,
  request: GatewayRequest,
  response: GatewayResponse,
  call: InterceptedCall,
): Promise<Encoded> => encodedOf(await to.response(request, response, call));

/** An answer of the targets, one message or a stream of them, as the interceptor of the response lets it out. */
export async function lettingOut(to: Interception, request: GatewayRequest, response: Response, call: InterceptedCall): Promise<Encoded> {
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'content-length'));
  const { status } = response;
  if (!to.hasResponse || response.body === null)
    return { status, headers, body: (response.body as AsyncIterable<Uint8Array> | null) ?? '' };
  if (!response.headers.get('content-type')?.startsWith('text/event-stream'))
    return letOut(to, request, { statusCode: status, headers, body: JSON.parse(await response.text()) as JsonObject }, call);
  const events = messagesIn(response.body as AsyncIterable<Uint8Array>);
  const first = await events.next();
  const begun: GatewayResponse = { statusCode: status, headers, ...(!first.done && { body: first.value }) };
  const shown = first.done ? begun : await to.response(request, begun, call, 'first');
  return { status: shown.statusCode, headers: { ...headers, ...shown.headers }, body: rest() };

  async function* rest(): AsyncGenerator<Uint8Array> {
    if (shown.body) yield eventOf(shown.body);
    try {
      for await (const body of events) {
        const next = await to.response(request, { statusCode: shown.statusCode, headers, body }, call, 'later');
        if (next.body) yield eventOf(next.body);
      }
    } catch (error) {
      // the answer began, so it can only break off
      tellLog((error as Error).message);
      throw error;
    }
  }
}

const eventOf = (body: JsonObject) => Buffer.from(`event: message\ndata: ${JSON.stringify(body)}\n\n`);

/** The messages in a stream of events. What is not a message, such as an event that only opens the stream, is left out. */
async function* messagesIn(stream: AsyncIterable<Uint8Array>): AsyncGenerator<JsonObject> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const whole = text.split('\n\n');
    text = whole.pop() ?? '';
    for (const event of whole) {
      const data = /^data: ?(.+)$/m.exec(event)?.[1];
      if (data !== undefined) yield JSON.parse(data) as JsonObject;
    }
  }
}
