/** Which tools of a gateway a caller is shown. Calls are decided at the door, whatever was shown. */
import { HOOK_TIMEOUT } from '../../hitl/policy.ts';
import type { JsonObject } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { definition } from '../../loop/tools/tool.ts';
import type { Policy } from '../../ports/policy.ts';
import type { SourceCaller } from '../../ports/tool.ts';
import { messageOf } from '../../reliability/classify.ts';
import { inTime } from '../../reliability/patience.ts';
import { warnOnce } from '../../reliability/warn.ts';
import type { Door } from './door.ts';
import { type Interception, requestOf } from './interception.ts';
import type { GatewayTool } from './offered.ts';

/** The tools among these that the caller may be shown. */
export type Shown = (tools: readonly GatewayTool[]) => Promise<readonly GatewayTool[]>;

export interface Offers {
  /** Of tools that models call. */
  readonly tools: Shown;
  /** Of tools that read the resources and prompts of a target: they are in no `tools/list`, so the interceptors are not asked about them. */
  readonly readers: Shown;
}

/** Whether a caller may be shown less than every tool. */
export const hides = ({ policy, interception }: Door): boolean => policy?.offers !== undefined || interception?.lists === true;

/** What cannot be asked shows nothing, with a warning once. */
export function offersOf({ policy, interception }: Door, caller: SourceCaller, where: string): Offers {
  const readers: Shown = async (all) =>
    policy?.offers && all.length > 0
      ? shownBy(policy, () => byPolicy(policy, caller, all), all, `${where}: the policy could not be asked`)
      : all;
  const tools: Shown = async (all) => {
    const left = await readers(all);
    return interception?.lists && left.length > 0
      ? shownBy(interception, () => byInterception(interception, caller, left), left, `${where}: the interceptors could not be asked`)
      : left;
  };
  return { tools, readers };
}

async function shownBy(asked: object, ask: () => Promise<ReadonlySet<unknown>>, tools: readonly GatewayTool[], failed: string) {
  try {
    const names = await ask();
    return tools.filter(({ fullName }) => names.has(fullName));
  } catch (error) {
    warnOnce(asked, 'offers', `${failed} what to offer, so nothing is. ${messageOf(error)}`);
    return [];
  }
}

async function byPolicy(
  policy: Pick<Policy, 'offers'>,
  { by }: SourceCaller,
  tools: readonly GatewayTool[],
): Promise<ReadonlySet<unknown>> {
  const names: unknown = await inTime(policy.offers?.({ by, tools: tools.map(({ fullName }) => fullName) }), HOOK_TIMEOUT, 'the policy');
  if (!Array.isArray(names)) throw new Error('it answered no list of names');
  return new Set(names);
}

/** The names that the answer of `tools/list` has behind the interceptors. */
async function byInterception(
  interception: Interception,
  { by, session }: SourceCaller,
  tools: readonly GatewayTool[],
): Promise<ReadonlySet<unknown>> {
  const call = { by, session, signal: new AbortController().signal };
  const list = tools.map(({ tool, fullName }): JsonObject => {
    const { description, input } = definition(tool).spec;
    return { name: fullName, description, inputSchema: input as JsonObject };
  });
  const asked = requestOf('tools/list', 'tools/list', {});
  const taken = await interception.request(asked, call);
  const response =
    'response' in taken ? taken.response : { statusCode: 200, body: { jsonrpc: '2.0', id: 'tools/list', result: { tools: list } } };
  const { body } = await interception.response('request' in taken ? taken.request : asked, response, call);
  // an error: the caller may not list
  if (body?.error !== undefined) return new Set();
  const answered = isObject(body?.result) ? body.result.tools : undefined;
  if (!Array.isArray(answered)) throw new Error('they answered no list of tools');
  return new Set(answered.map((tool) => (isObject(tool) ? tool.name : undefined)));
}
