/** The HTTP+JSON transport of A2A 1.0, on the same operations as JSON-RPC. The SDK has it only for Express. */
import {
  CancelTaskRequest,
  ListTaskPushNotificationConfigsResponse,
  ListTasksRequest,
  ListTasksResponse,
  SendMessageRequest,
  SendMessageResponse,
  StreamResponse,
  Task,
  TaskPushNotificationConfig,
} from '@a2a-js/sdk';
import { RequestMalformedError } from '@a2a-js/sdk/errors';
import type { ServerCallContext } from '@a2a-js/sdk/server';
import type { Handler } from './handler.ts';
import { malformed } from './refuse.ts';

export interface RestRequest {
  readonly method: string;
  /** The path below the interface's URL, such as `/tasks/x:cancel`. */
  readonly path: string;
  readonly query: URLSearchParams;
  body(): Promise<unknown>;
}
/** `stream`: events as JSON, each to be sent as a Server-Sent Event. */
export type RestAnswer = { status: number; body?: unknown } | { stream: AsyncGenerator<unknown, void, undefined> };

/** @returns undefined if there is no such operation. */
export async function rest(handler: Handler, request: RestRequest, ctx: ServerCallContext): Promise<RestAnswer | undefined> {
  const { method, path, query } = request;
  if (method === 'POST' && path === '/message:send') {
    const task = await handler.sendMessage(read(SendMessageRequest, await request.body()), ctx);
    return ok(SendMessageResponse.toJSON({ payload: { $case: 'task', value: task } }));
  }
  if (method === 'POST' && path === '/message:stream')
    return { stream: events(handler.sendMessageStream(read(SendMessageRequest, await request.body()), ctx)) };
  if (method === 'GET' && path === '/extendedAgentCard') return ok(await handler.getAuthenticatedExtendedAgentCard());
  if (method === 'GET' && path === '/tasks') return list(handler, query, ctx);
  const [, raw, verb, below, config] = /^\/tasks\/([^/:]+)(?::(\w+))?(?:\/(pushNotificationConfigs)(?:\/([^/]+))?)?$/.exec(path) ?? [];
  if (raw === undefined) return undefined;
  const id = decoded(raw);
  if (below) return verb ? undefined : configs(handler, request, id, config === undefined ? undefined : decoded(config), ctx);
  if (verb === 'cancel' && method === 'POST') return ok(Task.toJSON(await handler.cancelTask(CancelTaskRequest.fromJSON({ id }), ctx)));
  if (verb === 'subscribe') return { stream: events(handler.resubscribe({ tenant: '', id }, ctx)) };
  if (verb || method !== 'GET') return undefined;
  const historyLength = whole(query, 'historyLength');
  return ok(Task.toJSON(await handler.getTask({ tenant: '', id, ...(historyLength !== undefined && { historyLength }) }, ctx)));
}

const ok = (body: unknown): RestAnswer => ({ status: 200, body });

async function* events(stream: AsyncGenerator<StreamResponse, void, undefined>): AsyncGenerator<unknown, void, undefined> {
  for await (const event of stream) yield StreamResponse.toJSON(event);
}

async function list(handler: Handler, query: URLSearchParams, ctx: ServerCallContext): Promise<RestAnswer> {
  const includeArtifacts = query.get('includeArtifacts') === 'true';
  const request = ListTasksRequest.fromJSON({
    ...Object.fromEntries(query),
    includeArtifacts,
    pageSize: undefined,
    historyLength: undefined,
  });
  const pageSize = whole(query, 'pageSize');
  const historyLength = whole(query, 'historyLength');
  const listed = await handler.listTasks(
    { ...request, ...(pageSize !== undefined && { pageSize }), ...(historyLength !== undefined && { historyLength }) },
    ctx,
  );
  return ok({ tasks: [], nextPageToken: '', pageSize: 0, totalSize: 0, ...(ListTasksResponse.toJSON(listed) as object) });
}

async function configs(
  handler: Handler,
  { method, body }: RestRequest,
  taskId: string,
  id: string | undefined,
  ctx: ServerCallContext,
): Promise<RestAnswer | undefined> {
  if (id === undefined && method === 'POST') {
    const config = { ...read(TaskPushNotificationConfig, await body()), taskId };
    return { status: 201, body: TaskPushNotificationConfig.toJSON(await handler.createTaskPushNotificationConfig(config, ctx)) };
  }
  if (id === undefined && method === 'GET')
    return ok(ListTaskPushNotificationConfigsResponse.toJSON(await handler.listTaskPushNotificationConfigs({ taskId }, ctx)));
  if (id !== undefined && method === 'GET')
    return ok(TaskPushNotificationConfig.toJSON(await handler.getTaskPushNotificationConfig({ taskId, id }, ctx)));
  if (id === undefined || method !== 'DELETE') return undefined;
  await handler.deleteTaskPushNotificationConfig({ taskId, id }, ctx);
  return { status: 204 };
}

/** @throws RequestMalformedError for a body that is not of the type. The SDK throws errors of the platform. */
function read<T>(type: { fromJSON(json: unknown): T }, body: unknown): T {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new RequestMalformedError('The body is a JSON object.');
  try {
    return type.fromJSON(body);
  } catch {
    throw malformed('The body');
  }
}

function whole(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new RequestMalformedError(`${name} is a whole number.`);
  return Number(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RequestMalformedError('The address is not well formed.');
  }
}
