import type { Caller, Offering } from './offering.ts';

/** Resources that one session, or one stream, watches. */
export const MOST_WATCHED = 100;

/** Reads a resource before it is watched: what a caller may not read tells that caller nothing. @throws RpcError as a read does. */
export async function mayWatch(offering: Offering, caller: Caller, uri: string): Promise<void> {
  await offering.read(caller, { method: 'resources/read', params: { uri } }, {});
}
