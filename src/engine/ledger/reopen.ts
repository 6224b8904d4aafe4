/** How the intent of a call that is done is done once more, and which stores can keep intents. */

import { invalid, RondoError } from '../../errors.ts';
import type { CallId } from '../../journal/entries/entries.ts';
import { NO_CLAIMS } from '../../loop/call/intent.ts';
import type { AgentDefinition } from '../../loop/types.ts';
import { isName, type Principal, principal } from '../../ports/principal.ts';
import { assertPrincipal, logOf } from '../interventions.ts';
import { checkMethod } from '../method-options.ts';
import type { Resources } from '../resources.ts';
import { intentOf } from './did.ts';

/** @see Engine.reopen */
export async function reopen(resources: Resources, runId: string, callId: CallId, o: { by: Principal; reason: string }): Promise<void> {
  checkMethod('reopen', o);
  assertPrincipal(o?.by, 'reopening an intent');
  if (typeof o.reason !== 'string' || o.reason.trim() === '')
    throw new RondoError('DECISION_INVALID', 'reopening an intent needs a reason, a text.');
  if (!isName(runId) || !isName(callId))
    throw new RondoError('DECISION_INVALID', 'an effect is one that effects() listed, or its { runId, callId }.');
  const log = await logOf(resources, runId, o.by, 'decide');
  const intent = await intentOf(resources.journal, runId, callId);
  const tenant = log.run.started.by?.tenant;
  const claim = intent && (await resources.journal.claim?.({ tenant, intent: intent.name, key: intent.key }));
  if (!intent || claim?.state !== 'done' || claim.holder?.run !== runId || claim.holder.call !== callId)
    throw new RondoError(
      'CALL_NOT_FOUND',
      `run ${runId} has no call ${callId} whose intent is done. Where its outcome is unknown, settle() it.`,
      {
        details: { runId, callId },
      },
    );
  const reopened = intent;
  await log.append(
    () => [
      {
        type: 'intent.reopened',
        call: callId,
        intent: { ...reopened, generation: claim.generation },
        by: principal(o.by),
        reason: o.reason.slice(0, 2_000),
      },
    ],
    true,
  );
}

/** @throws RondoError `CONFIG_INVALID` where a tool of the agent has a key, and the store keeps no claims. */
export function assertClaims({ host }: Resources, agent: AgentDefinition): void {
  if (host.intents.kept) return;
  const tool = [...agent.tools.values()].find(({ options }) => options.key);
  if (tool) throw invalid(`tool "${tool.name}" of agent "${agent.name}" has a key, and ${NO_CLAIMS}.`);
}
