/** Interceptors of a gateway's requests and responses, with the events of an AgentCore gateway. */
import { invalid } from '../../errors.ts';
import { type Json, type JsonObject, plainJson } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { checkOptions } from '../../options.ts';
import type { Principal } from '../../ports/principal.ts';
import { signalled } from '../../reliability/patience.ts';

export interface GatewayRequest {
  path: string;
  httpMethod: string;
  headers?: { readonly [name: string]: string };
  /** The JSON-RPC request. */
  body: JsonObject;
}

export interface GatewayResponse {
  statusCode: number;
  headers?: { readonly [name: string]: string };
  /** The JSON-RPC response. */
  body?: JsonObject;
}

/** What an interceptor gets. `gatewayResponse` is there for a RESPONSE. */
export interface InterceptorInput {
  interceptorInputVersion: '1.0';
  mcp: {
    rawGatewayRequest: { body: string };
    gatewayRequest: GatewayRequest;
    gatewayResponse?: GatewayResponse & { isStreamingResponse: boolean };
  };
}

/** What it answers. A part that is absent leaves the request or the response as it is. A REQUEST that answers a response ends the call. */
export interface InterceptorOutput {
  interceptorOutputVersion: '1.0';
  mcp: { transformedGatewayRequest?: Partial<GatewayRequest>; transformedGatewayResponse?: Partial<GatewayResponse> };
}

/** Who calls. Inside the process there are no headers to tell it by. */
export interface InterceptedCall {
  readonly signal: AbortSignal;
  readonly by?: Principal | undefined;
  readonly session?: string | undefined;
}

export type InterceptorFunction = (event: InterceptorInput, call: InterceptedCall) => InterceptorOutput | Promise<InterceptorOutput>;

export interface InterceptorOptions {
  /** A function, or an ARN that `invoke` calls. */
  interceptor: InterceptorFunction | string;
  /** Gives it the headers of the request, and takes those that it answers. Default false. */
  passRequestHeaders?: boolean;
  /** Leaves bodies of responses out of what it gets. */
  payloadFilter?: { exclude: readonly 'RESPONSE_BODY'[] };
  /** Milliseconds. Default 10,000. */
  timeout?: number;
}

export interface Interceptors {
  request?: InterceptorFunction | InterceptorOptions;
  response?: InterceptorFunction | InterceptorOptions;
  /**
   * Whether they are asked about `tools/list` too: a caller is shown those tools whose names are in their answer. Other changes of it count for
   * nothing: descriptions and schemas stay, and a name that is not the caller's shows nothing. The lists of resources and prompts are not asked about,
   * their reads are, as calls. A gateway of AgentCore, and of the local server, asks them about every request, and sends what they answer as it is.
   * Default false: about calls alone.
   */
  lists?: boolean;
  /** Calls the function of an ARN with an event. @returns what it answered. */
  invoke?(arn: string, event: InterceptorInput, call: InterceptedCall): Promise<unknown>;
}

const INTERCEPTORS = {
  request: 'request: (event) => answer',
  response: 'response: (event) => answer',
  lists: 'lists: true',
  invoke: 'invoke: (arn, event) => answer',
};
const INTERCEPTOR = {
  interceptor: 'interceptor: (event) => answer',
  passRequestHeaders: 'passRequestHeaders: true',
  payloadFilter: "payloadFilter: { exclude: ['RESPONSE_BODY'] }",
  timeout: 'timeout: 10_000',
};

/** @throws RondoError `CONFIG_INVALID`. */
export function checkInterceptors(o: Interceptors, where: string): void {
  checkOptions(o, INTERCEPTORS, where);
  if (o.lists !== undefined && typeof o.lists !== 'boolean') throw invalid(`${where}: lists is true or false.`);
  for (const point of ['request', 'response'] as const) {
    const given = o[point];
    if (given === undefined || typeof given === 'function') continue;
    const about = `${where}: ${point}`;
    checkOptions(given, INTERCEPTOR, about);
    const { interceptor, timeout, payloadFilter } = given;
    if (typeof interceptor === 'string' && typeof o.invoke !== 'function')
      throw invalid(`${about} is an ARN, and needs ${INTERCEPTORS.invoke}.`);
    if (typeof interceptor !== 'function' && (typeof interceptor !== 'string' || interceptor === ''))
      throw invalid(`${about} needs ${INTERCEPTOR.interceptor}, or an ARN.`);
    if (timeout !== undefined && !(timeout > 0)) throw invalid(`${about}: timeout is ${timeout}; it is milliseconds, above 0.`);
    if (payloadFilter && !(Array.isArray(payloadFilter.exclude) && payloadFilter.exclude.every((part) => part === 'RESPONSE_BODY')))
      throw invalid(`${about}: payloadFilter is { exclude: ['RESPONSE_BODY'] }.`);
  }
}

const PLACE = { path: '/mcp', httpMethod: 'POST', headers: {} };

/** A request as they see it, of a gateway in the process. */
export const requestOf = (id: string, method: string, params: JsonObject): GatewayRequest => ({
  ...PLACE,
  body: { jsonrpc: '2.0', id, method, params },
});

/** Runs the interceptors. Its methods throw an Error for an interceptor that throws, takes too long, or answers something else. */
export class Interception {
  readonly #o: Interceptors;

  constructor(o: Interceptors) {
    this.#o = o;
  }

  get lists(): boolean {
    return this.#o.lists === true;
  }

  get hasResponse(): boolean {
    return this.#o.response !== undefined;
  }

  async request(request: GatewayRequest, call: InterceptedCall): Promise<{ request: GatewayRequest } | { response: GatewayResponse }> {
    const own = this.#options('request');
    if (!own) return { request };
    const { transformedGatewayRequest: changed, transformedGatewayResponse: response } = await this.#ask(
      'request',
      own,
      eventOf(own, request),
      call,
    );
    if (response) return { response: answered(response, { statusCode: 200 }, own) };
    if (!changed) return { request };
    return {
      request: {
        ...request,
        ...(changed.body && { body: changed.body }),
        ...(own.passRequestHeaders && changed.headers && { headers: changed.headers }),
      },
    };
  }

  /**
   * @param part of a stream: only the first event may change the status and the headers. Events without an `id`, such as progress, and pings of a
   *   server are left as they are.
   */
  async response(
    request: GatewayRequest,
    response: GatewayResponse,
    call: InterceptedCall,
    part?: 'first' | 'later',
  ): Promise<GatewayResponse> {
    const own = this.#options('response');
    if (!own || (part && (response.body?.id === undefined || response.body.method === 'ping'))) return response;
    const event = eventOf(own, request, response, part !== undefined);
    const { transformedGatewayResponse: changed } = await this.#ask('response', own, event, call);
    if (!changed) return response;
    return part === 'later' ? { ...response, ...(changed.body && { body: changed.body }) } : answered(changed, response, own);
  }

  #options(point: 'request' | 'response'): InterceptorOptions | undefined {
    const given = this.#o[point];
    return typeof given === 'function' ? { interceptor: given } : given;
  }

  async #ask(
    point: string,
    { interceptor, timeout = 10_000 }: InterceptorOptions,
    event: InterceptorInput,
    call: InterceptedCall,
  ): Promise<InterceptorOutput['mcp']> {
    const what = `the ${point} interceptor`;
    const own = plainJson(event) as unknown as InterceptorInput;
    const answer: unknown = await signalled(
      async (signal) => {
        const about = { ...call, signal: AbortSignal.any([signal, call.signal]) };
        return typeof interceptor === 'string' ? this.#o.invoke?.(interceptor, own, about) : interceptor(own, about);
      },
      timeout,
      what,
    );
    const { interceptorOutputVersion: version, mcp } = (plainJson(answer) ?? {}) as { interceptorOutputVersion?: Json; mcp?: Json };
    if (version !== '1.0' || !isObject(mcp)) throw new Error(`${what} did not answer { interceptorOutputVersion: '1.0', mcp: { ... } }`);
    for (const [name, part] of Object.entries(mcp)) {
      if (part === null || part === undefined) continue;
      if (!isObject(part) || !(part.body === undefined || isObject(part.body)))
        throw new Error(`${what} answered a ${name} whose body is not an object`);
      const { headers = {}, statusCode = 200 } = part;
      if (!isObject(headers) || !Object.values(headers).every((value) => typeof value === 'string'))
        throw new Error(`${what} answered a ${name} whose headers are not texts by name`);
      if (!(typeof statusCode === 'number' && Number.isInteger(statusCode) && statusCode >= 200 && statusCode <= 599))
        throw new Error(`${what} answered a ${name} whose statusCode is not one from 200 to 599`);
    }
    return mcp as InterceptorOutput['mcp'];
  }
}

function eventOf(own: InterceptorOptions, request: GatewayRequest, response?: GatewayResponse, streaming = false): InterceptorInput {
  const seen = <T extends GatewayRequest | GatewayResponse>({ headers, ...rest }: T) => ({
    ...rest,
    ...(own.passRequestHeaders && { headers: headers ?? {} }),
  });
  const { body, ...bare } = response ?? ({} as GatewayResponse);
  const shown = response && (own.payloadFilter?.exclude.includes('RESPONSE_BODY') ? bare : { ...bare, ...(body && { body }) });
  return {
    interceptorInputVersion: '1.0',
    mcp: {
      rawGatewayRequest: { body: JSON.stringify(request.body) },
      gatewayRequest: seen(request) as GatewayRequest,
      ...(shown && { gatewayResponse: { ...(seen(shown) as GatewayResponse), isStreamingResponse: streaming } }),
    },
  };
}

const answered = (
  { statusCode, headers, body }: Partial<GatewayResponse>,
  before: GatewayResponse,
  own: InterceptorOptions,
): GatewayResponse => ({
  ...before,
  ...(typeof statusCode === 'number' && { statusCode }),
  ...(own.passRequestHeaders && headers && { headers }),
  ...(body && { body }),
});
