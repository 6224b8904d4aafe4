import { HOOK_TIMEOUT } from '../../hitl/policy.ts';
import type { Policy } from '../../ports/policy.ts';
import type { Principal } from '../../ports/principal.ts';
import { messageOf } from '../../reliability/classify.ts';
import { inTime } from '../../reliability/patience.ts';
import type { GatewayTool } from './offered.ts';

const warned = new WeakSet<object>();

/** The tools that the policy may permit the caller. A policy that throws, hangs or answers no list shows none, with a warning once. */
export async function offersOf(
  policy: Pick<Policy, 'offers'>,
  by: Principal | undefined,
  tools: readonly GatewayTool[],
  where: string,
): Promise<readonly GatewayTool[]> {
  if (tools.length === 0) return tools;
  try {
    const names: unknown = await inTime(policy.offers?.({ by, tools: tools.map(({ fullName }) => fullName) }), HOOK_TIMEOUT, 'the policy');
    if (!Array.isArray(names)) throw new Error('it answered no list of names');
    const shown = new Set(names);
    return tools.filter(({ fullName }) => shown.has(fullName));
  } catch (error) {
    if (!warned.has(policy))
      process.emitWarning(`${where}: the policy could not be asked what to offer, so nothing is. ${messageOf(error)}`, 'RondoWarning');
    warned.add(policy);
    return [];
  }
}
