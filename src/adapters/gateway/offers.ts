/** Which tools of a gateway a caller is shown. Calls are decided at the door, whatever was shown. */
import { HOOK_TIMEOUT } from '../../hitl/policy.ts';
import type { JsonObject } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { definition } from '../../loop/tools/tool.ts';
import type { Policy } from '../../ports/policy.ts';
import type { SourceCaller } from '../../ports/tool.ts';
import { messageOf } from '../../reliability/classify.ts';
import { inTime } from '../../reliability/patience.ts';
import type { Door } from './door.ts';
import { type Interception, requestOf } from './interception.ts';
import type { GatewayTool } from './offered.ts';

/** The tools among these that the caller may be shown. */
export type Offers = (tools: readonly GatewayTool[]) => Promise<readonly GatewayTool[]>;

type Shown = (tools: readonly GatewayTool[]) => Promise<ReadonlySet<unknown>>;

/** Whether a caller may be shown less than every tool. */
export const hides = ({ policy, interception }: Door): boolean => policy?.offers !== undefined || interception?.lists === true;

/** What cannot be asked shows nothing, with a warning once. */
export function offersOf({ policy, interception }: Door, caller: SourceCaller, where: string): Offers {
  const filters = [
    ...(policy?.offers ? [unlessFails(policy, 'the policy', where, byPolicy(policy, caller))] : []),
    ...(interception?.lists ? [unlessFails(interception, 'the interceptors', where, byInterception(interception, caller))] : []),
  ];
  return async (tools) => {
    let left = tools;
    for (const filter of filters) if (left.length > 0) left = await filter(left);
    return left;
  };
}

const warned = new WeakSet<object>();

const unlessFails =
  (asked: object, name: string, where: string, shown: Shown): Offers =>
  async (tools) => {
    try {
      const names = await shown(tools);
      return tools.filter(({ fullName }) => names.has(fullName));
    } catch (error) {
      if (!warned.has(asked))
        process.emitWarning(`${where}: ${name} could not be asked what to offer, so nothing is. ${messageOf(error)}`, 'RondoWarning');
      warned.add(asked);
      return [];
    }
  };

const byPolicy =
  (policy: Pick<Policy, 'offers'>, { by }: SourceCaller): Shown =>
  async (tools) => {
    const names: unknown = await inTime(policy.offers?.({ by, tools: tools.map(({ fullName }) => fullName) }), HOOK_TIMEOUT, 'the policy');
    if (!Array.isArray(names)) throw new Error('it answered no list of names');
    return new Set(names);
  };

/** The tools that the answer of `tools/list` has behind the interceptors. */
const byInterception =
  (interception: Interception, { by, session }: SourceCaller): Shown =>
  async (tools) => {
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
  };
