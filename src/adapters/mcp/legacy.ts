/** 2025-11-25 and earlier, by the first version of the SDK. */
import type { JsonObject } from '../../json.ts';
import { declaredTools } from './declared.ts';
import { CAPABILITIES, type Dialect, type Events, INFO } from './dialect.ts';
import { Unanswered } from './failure.ts';
import { loadClient, loadTypes } from './sdk.ts';
import type { Wire } from './wire.ts';

export async function legacy({ transport }: Wire, events: Events): Promise<Dialect> {
  const [{ Client }, types] = await Promise.all([loadClient(), loadTypes()]);
  const client = new Client(INFO, { capabilities: CAPABILITIES });
  client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => events.changed('tools'));
  client.setNotificationHandler(types.ResourceListChangedNotificationSchema, () => events.changed('resources'));
  client.setNotificationHandler(types.PromptListChangedNotificationSchema, () => events.changed('prompts'));
  client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => events.elicited(params as unknown as JsonObject));
  let closed = false;
  client.onclose = () => {
    closed = true;
    events.closed();
  };
  /** Throws what the SDK says of itself in its own form: a server may answer errors with the same numbers. */
  const told =
    (o: { timeout: number }) =>
    (error: unknown): never => {
      const { code, message, data } = (error ?? {}) as { code?: unknown; message?: string; data?: { timeout?: unknown } };
      if (closed && code === types.ErrorCode.ConnectionClosed && message?.endsWith(': Connection closed'))
        throw new Unanswered(false, error);
      if (code === types.ErrorCode.RequestTimeout && data?.timeout === o.timeout) throw new Unanswered(true, error);
      throw error;
    };
  return {
    connect: (o) => client.connect(transport, o).catch(told(o)),
    close: () => client.close(),
    // not client.listTools(), which would compile the output schemas of an untrusted server
    async list(params, o) {
      const { nextCursor, ...page } = await client.request({ method: 'tools/list', params }, types.ResultSchema, o).catch(told(o));
      return { tools: declaredTools(page, types.ToolSchema), nextCursor };
    },
    async call(params, o) {
      // only 2026-07-28 has types of results: a server of this revision ends no call with questions
      const { resultType: _, ...result } = await client
        .request({ method: 'tools/call', params: { ...params } }, types.CallToolResultSchema, o)
        .catch(told(o));
      return result;
    },
    request: async (method, params, o) =>
      (await client.request({ method, params } as never, types.ResultSchema, o).catch(told(o))) as unknown as JsonObject,
    has: (what) => client.getServerCapabilities()?.[what] !== undefined,
  };
}
