/** Dead letters: what nothing will go on with by itself, for a person to look at. */
import { RondoError } from '../../errors.ts';
import type { CallId } from '../../journal/entries.ts';
import { isOver } from '../../journal/fold.ts';
import { type Principal, principal } from '../../ports/principal.ts';
import { runFor } from '../access.ts';
import { assertPrincipal, logOf } from '../outside.ts';
import type { Resources } from '../resources.ts';
import { didOf, type EffectRecord } from './did.ts';
import { type EffectsOptions, listedEffects } from './effects.ts';

/** `call`: an effect that gave up after its attempts, or whose outcome is unknown. Check `kind` first: there may be others later. */
export type DeadLetter = Omit<EffectRecord, 'kind'> & { kind: 'call' };

export type DeadLettersOptions = Pick<EffectsOptions, 'by' | 'tool' | 'run' | 'session' | 'since' | 'cursor' | 'limit'>;

type Which = Pick<EffectRecord, 'runId' | 'callId'>;

/** @see Engine.deadLetters */
export async function* deadLetters(resources: Resources, o: DeadLettersOptions = {}): AsyncGenerator<DeadLetter, void, undefined> {
  for await (const effect of listedEffects(resources, { ...o, open: true })) yield { ...effect, kind: 'call' };
}

/** @see Engine.dismiss */
export async function dismiss(resources: Resources, { runId, callId }: Which, o: { by: Principal; reason: string }): Promise<void> {
  assertPrincipal(o?.by, 'dismissing a dead letter');
  if (typeof o.reason !== 'string' || o.reason.trim() === '')
    throw new RondoError('DECISION_INVALID', 'dismissing a dead letter needs a reason, a text.');
  const log = await logOf(resources, runId, o.by, 'decide');
  await openCall(resources, runId, callId);
  await log.append(() => [{ type: 'call.dismissed', call: callId, by: principal(o.by), reason: o.reason.slice(0, 2_000) }], true);
}

/**
 * Checks that a dead letter can be tried again by resuming its run.
 * @throws RondoError `CALL_NOT_FOUND`, `RUN_NOT_FOUND`, `NOT_PERMITTED`, `DECISION_INVALID` while its outcome is unknown, or `RUN_ENDED`.
 */
export async function assertRetriable(resources: Resources, { runId, callId }: Which, by: Principal): Promise<void> {
  assertPrincipal(by, 'trying a dead letter again');
  const run = await runFor(resources, runId, by, 'decide');
  const { tool, row } = await openCall(resources, runId, callId);
  const details = { runId, callId };
  if (row?.outcome === 'unknown')
    throw new RondoError('DECISION_INVALID', `${tool} may have taken effect, so it is not tried again. Find out, and settle() it.`, {
      details,
    });
  if (run.status !== 'failed' || isOver(run))
    throw new RondoError(
      'RUN_ENDED',
      `run ${runId} is ${run.status} and went on without ${tool}. Start a new run that asks for it again, then dismiss() this letter.`,
      { details },
    );
}

async function openCall({ journal }: Resources, runId: string, callId: CallId) {
  const told = (await didOf(journal, runId))?.effects.get(callId);
  if (told?.row?.open) return told;
  throw new RondoError('CALL_NOT_FOUND', `call ${callId} of run ${runId} is not a dead letter. deadLetters() lists them.`, {
    details: { runId, callId },
  });
}
