/** Resources and prompts as a server offers them: lists in pages, and each read a run with exactly that call. */
import type { RunResult } from '../../../engine/read/results.ts';
import type { Failure } from '../../../errors.ts';
import type { Limits } from '../../../journal/entries/entries.ts';
import type { Json, JsonObject } from '../../../json.ts';
import { directAgent, directInput } from '../../../loop/direct.ts';
import type { Agent } from '../../../loop/types.ts';
import type { MaterialCall, MaterialRequest } from '../../../ports/materials.ts';
import type { Materials } from '../../../ports/tool.ts';
import { RESOURCE_NOT_FOUND } from '../material-tools.ts';
import { begin } from './begin.ts';
import { carryOut } from './carry-out.ts';
import { type DirectServing, finished, rpcErrorOf, waits, within } from './direct.ts';
import { foundByName, pageOf } from './gateway-tools.ts';
import { type Caller, type Exchange, INTERNAL, INVALID_PARAMS, LISTS, type ListMethod, type Page, RpcError } from './offering.ts';
import { INVALID_REQUEST } from './own-materials.ts';

/** Of a resource that is not there, up to 2025-11-25. The SDK for 2026-07-28 writes -32602. */
const NOT_FOUND = -32002;
/** Milliseconds to list, or to find out which tool reads. */
const LISTS_IN = 60_000;

type Listed = Exclude<ListMethod, 'tools/list'>;

const ASKED: { readonly [M in Listed]: (from: Materials) => (o: Parameters<Materials['prompts']>[0]) => Promise<readonly object[]> } = {
  'resources/list': (from) => from.resources,
  'resources/templates/list': (from) => from.templates,
  'prompts/list': (from) => from.prompts,
};

const nameOf = (item: object) =>
  JSON.stringify([(item as { uri?: string }).uri, (item as { uriTemplate?: string }).uriTemplate, (item as { name: string }).name]);

/** What a list answers, or that it cannot be had. @throws RpcError */
export const orUnlisted = (serving: DirectServing, answer: Promise<Page>): Promise<Page> =>
  answer.catch((error) => {
    if (error instanceof RpcError) throw error;
    // its message may expose internals
    serving.tell(error);
    throw new RpcError(INTERNAL, 'This cannot be listed now. Try again later.');
  });

/** A page of resources, templates or prompts. @throws RpcError */
export const listed = (serving: DirectServing, caller: Caller, method: Listed, cursor: string | undefined): Promise<Page> =>
  orUnlisted(serving, list(serving, caller, method, cursor));

async function list(serving: DirectServing, caller: Caller, method: Listed, cursor: string | undefined): Promise<Page> {
  const signal = AbortSignal.any([caller.gone, AbortSignal.timeout(LISTS_IN)]);
  const all = await within(serving, caller, async ({ materials }) =>
    materials ? ASKED[method](materials).call(materials, { by: caller.by, signal }) : [],
  );
  const { items, ...more } = pageOf(all, { nameOf, cursor, size: serving.pageSize });
  return { [LISTS[method]]: items, ...more };
}

/** An agent that only reads these. */
export const readingAgent = (materials: Materials, name: string, limits: Limits | undefined): Agent =>
  directAgent({
    name,
    description: 'Reads resources and prompts',
    source: foundByName({ name, open: async () => ({ list: async () => [], close: async () => undefined }) }, () => undefined, materials),
    ...(limits && { limits }),
  });

/** @see Offering.read */
export async function read(serving: DirectServing, caller: Caller, request: MaterialRequest, exchange: Exchange): Promise<JsonObject> {
  const { engine, agent, limits, tell } = serving;
  // a completion is nothing to ask a person for
  const { ask: _, again: __, ...unasked } = exchange;
  const own: Exchange = request.method === 'completion/complete' ? unasked : exchange;
  const signal = AbortSignal.any([caller.gone, AbortSignal.timeout(LISTS_IN)]);
  let call: MaterialCall | undefined;
  try {
    call = await within(serving, caller, async ({ materials }) => materials?.callOf(request, { by: caller.by, signal }));
  } catch (error) {
    tell(error);
    throw unread('SOURCE_UNAVAILABLE');
  }
  if (!call) throw missing(request);
  const { tool: name, input, outer } = call;
  const answers = {
    told: () => undefined,
    async answer(result: RunResult, runId: string): Promise<JsonObject> {
      if (result.status === 'paused') {
        const { words, data } = waits(result, runId, caller);
        throw new RpcError(INTERNAL, words, data);
      }
      if (result.status !== 'completed') throw unread(result.status === 'failed' ? result.error.code : result.status.toUpperCase());
      const { error, output } = await finished(serving, runId, caller);
      if (error) throw failed(error, request, serving);
      if (typeof output !== 'object' || output === null || Array.isArray(output)) throw unread('RESULT_INVALID');
      return outer ? (withUris(output, outer) as JsonObject) : (output as JsonObject);
    },
  };
  return carryOut(
    serving,
    caller,
    own,
    () => begin(engine, agent, caller, undefined, answers, own.again ?? { input: directInput({ name, input }), limits }),
    ({ code }) => {
      throw unread(code);
    },
  );
}

/** The result of a read that was not one. The caller is told the code: messages may expose internals. */
const unread = (code: string, more?: JsonObject) => new RpcError(INTERNAL, 'The request failed.', { code, ...more });

function missing({ method, params }: MaterialRequest): RpcError {
  if (method === 'resources/read') return new RpcError(NOT_FOUND, 'Resource not found', { uri: params.uri });
  if (method === 'prompts/get') return new RpcError(INVALID_PARAMS, 'There is no prompt of this name. List the prompts.');
  return new RpcError(INVALID_PARAMS, 'There is no such prompt or template. List them.');
}

/** Codes whose messages say what is wrong with the request. */
const TOLD: ReadonlySet<string> = new Set([INVALID_REQUEST, 'MCP_INVALID_PARAMS']);

function failed(failure: Failure, request: MaterialRequest, serving: DirectServing): RpcError {
  const { code, message, retryAfter } = failure;
  if (code === RESOURCE_NOT_FOUND || code === 'TOOL_NOT_FOUND') return missing(request);
  if (TOLD.has(code)) return new RpcError(INVALID_PARAMS, message);
  return rpcErrorOf(failure, serving) ?? unread(code, retryAfter === undefined ? undefined : { retryAfter });
}

/** The same JSON, with the URIs of its resources changed. */
function withUris(value: Json, outer: (uri: string) => string): Json {
  if (Array.isArray(value)) return value.map((one) => withUris(one, outer));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, key === 'uri' && typeof one === 'string' ? outer(one) : withUris(one as Json, outer)]),
  );
}
