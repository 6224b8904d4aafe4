/** 2025-11-25 and earlier, by the first version of the SDK. */
import type { JsonObject } from '../../json.ts';
import { CAPABILITIES, type Dialect, type Events, INFO } from './dialect.ts';
import { loadClient, loadTypes } from './sdk.ts';
import type { Wire } from './wire.ts';

export async function legacy({ transport }: Wire, events: Events): Promise<Dialect> {
  const [{ Client }, types] = await Promise.all([loadClient(), loadTypes()]);
  const client = new Client(INFO, { capabilities: CAPABILITIES });
  client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => events.changed('tools'));
  client.setNotificationHandler(types.ResourceListChangedNotificationSchema, () => events.changed('resources'));
  client.setNotificationHandler(types.PromptListChangedNotificationSchema, () => events.changed('prompts'));
  client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => events.elicited(params as unknown as JsonObject));
  client.onclose = () => events.closed();
  return {
    connect: (o) => client.connect(transport, o),
    close: () => client.close(),
    // not client.listTools(), which would compile the output schemas of an untrusted server
    list: (params, o) => client.request({ method: 'tools/list', params }, types.ListToolsResultSchema, o),
    async call(params, o) {
      // only 2026-07-28 has types of results: a server of this revision ends no call with questions
      const { resultType: _, ...result } = await client.request(
        { method: 'tools/call', params: { ...params } },
        types.CallToolResultSchema,
        o,
      );
      return result;
    },
    request: async (method, params, o) =>
      (await client.request({ method, params } as never, types.ResultSchema, o)) as unknown as JsonObject,
    has: (what) => client.getServerCapabilities()?.[what] !== undefined,
  };
}
