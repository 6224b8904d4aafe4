/** What both revisions of the protocol do with resources that a client watches, and with what it completes. */
import type { Completion } from '../../../ports/materials.ts';
import type { Caller, Offering } from './offering.ts';

/** Resources that one session, or one stream, watches. */
export const MOST_WATCHED = 100;

/** Reads a resource before it is watched: what a caller may not read tells that caller nothing. @throws RpcError as a read does. */
export async function mayWatch(offering: Offering, caller: Caller, uri: string): Promise<void> {
  await offering.read(caller, { method: 'resources/read', params: { uri } }, {});
}

/** The parameters of `completion/complete`, without what the protocol adds. */
export function completionOf({ ref, argument, context }: Sent): Completion {
  const given = context?.arguments;
  return {
    ref: ref.type === 'ref/prompt' ? { type: ref.type, name: ref.name } : { type: ref.type, uri: ref.uri },
    argument: { name: argument.name, value: argument.value },
    ...(given && { context: { arguments: given } }),
  };
}

interface Sent {
  ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string };
  argument: { name: string; value: string };
  context?: { arguments?: { [name: string]: string } | undefined } | undefined;
}
