/** A target of HTTP that is a runtime of this server: its operations, for a caller that the target chooses. */

import { USER } from '../../../headers.ts';
import type { Received } from '../../answer.ts';
import type { Call, Caller, Operations, World } from '../../call.ts';
import { decode } from '../../codec/decode.ts';
import { encode } from '../../codec/encode.ts';
import { AwsError, type Encoded } from '../../codec/error.ts';
import { match } from '../../codec/match.ts';
import type { RuntimeTarget } from '../target-configuration.ts';

/** What can be asked of a runtime behind a gateway, by the path that policies name it with. */
export const RUNTIME_ACTIONS: Readonly<Record<string, string>> = {
  InvokeAgentRuntime: 'POST:/invocations',
  GetAgentCard: 'GET:/invocations/.well-known/agent-card.json',
};

/** The path within the runtime: `/invocations`, also where an AWS client that has the URL of the target as its endpoint names the runtime. */
function runtimePath(path: string): { own: string; named: string | undefined } {
  const [, label, own] = /^\/runtimes\/([^/]+)(\/.*)$/.exec(path) ?? [];
  return label === undefined || own === undefined ? { own: path, named: undefined } : { own, named: decoded(label) };
}

function decoded(label: string): string {
  try {
    return decodeURIComponent(label);
  } catch {
    return label;
  }
}

/** The operation of a request. @throws AwsError for what a runtime behind a gateway is not asked. */
export function operationFor(method: string, path: string, { arn }: RuntimeTarget) {
  const { own, named } = runtimePath(path);
  if (named !== undefined && named !== arn && named !== arn.slice(arn.lastIndexOf('/') + 1))
    throw new AwsError('ResourceNotFoundException', `The target has the runtime ${arn}, and not ${named}.`);
  const found = match(method, `/runtimes/${encodeURIComponent(arn)}${own}`);
  if (!found || !Object.hasOwn(RUNTIME_ACTIONS, found.operation.name))
    throw new AwsError('UnknownOperationException', `A runtime behind a gateway takes POST at /invocations, and not ${method} ${own}.`);
  return { ...found, action: RUNTIME_ACTIONS[found.operation.name] as string };
}

/** @param caller as whom the runtime is called. @param o.id of the request. @throws AwsError. */
export async function invoked(
  { query: _, ...received }: Received,
  { operation, labels }: ReturnType<typeof operationFor>,
  caller: Caller,
  { runtime, operations, id, tell }: { runtime: RuntimeTarget; operations: Operations; id: string; tell(error: unknown): void },
): Promise<Encoded> {
  const { authorization, [USER]: __, ...rest } = received.headers;
  const headers = { ...rest, ...(caller.kind === 'bearer' && { authorization: `Bearer ${caller.token}` }) };
  const query = new URLSearchParams(runtime.qualifier === undefined ? {} : { qualifier: runtime.qualifier });
  const input = decode(operation, { labels, query, headers, body: received.body });
  const call: Call = { caller, id, headers, signal: received.signal };
  const execute = operations[operation.name] as NonNullable<Operations[string]>;
  return encode(operation, await execute(input as never, call), tell);
}

/** The gateway itself, as which it signs. */
export const roleOf = ({ account }: Pick<World, 'account'>, roleArn: string): Caller => ({
  kind: 'aws',
  account,
  accessKeyId: 'gateway',
  arn: roleArn,
});
