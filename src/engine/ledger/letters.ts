/** What operators do with dead letters: try them again, or dismiss them. */

import { RondoError } from '../../errors.ts';
import type { CallId } from '../../journal/entries/entries.ts';
import { isOver } from '../../journal/fold/fold.ts';
import { type Principal, principal } from '../../ports/principal.ts';
import { runFor } from '../access.ts';
import { assertPrincipal, logOf } from '../interventions.ts';
import { checkMethod } from '../method-options.ts';
import { hasFields } from '../read/list-options.ts';
import type { Resources } from '../resources.ts';
import { eventData, fits, type Signalled, signalled } from '../signal.ts';
import { Misses } from '../work/misses.ts';
import { type CallLetter, type EventLetter, type FiringLetter, LETTER } from './dead-letters.ts';
import { didOf } from './did.ts';

/** Names a dead letter. */
export type CallRef = Pick<CallLetter, 'runId' | 'callId'> & { kind?: 'call' };
/** Its number in the store, not the id that the sender gave. */
export type EventRef = Pick<EventLetter, 'kind' | 'nr'>;
/** A time of a schedule, of the tenant of the caller. */
export type FiringRef = Pick<FiringLetter, 'kind' | 'schedule' | 'at'>;
/** What names a dead letter of any kind. A letter of `deadLetters()` does. */
export type LetterRef = CallRef | EventRef | FiringRef;

/** @throws RondoError `DECISION_INVALID` */
function checkLetter(letter: LetterRef): void {
  const kind = letter?.kind ?? 'call';
  if (!Object.hasOwn(LETTER, kind) || !hasFields(letter, LETTER[kind]))
    throw new RondoError(
      'DECISION_INVALID',
      "a dead letter is one that deadLetters() listed, or what names it: { runId, callId }, { kind: 'event', nr } or { kind: 'firing', schedule, at }.",
    );
}

/** @see Engine.dismiss */
export async function dismiss(resources: Resources, letter: LetterRef, o: { by: Principal; reason: string }): Promise<void> {
  checkMethod('dismiss', o);
  assertPrincipal(o?.by, 'dismissing a dead letter');
  checkLetter(letter);
  if (typeof o.reason !== 'string' || o.reason.trim() === '')
    throw new RondoError('DECISION_INVALID', 'dismissing a dead letter needs a reason, a text.');
  const { by } = o;
  const reason = o.reason.slice(0, 2_000);
  if (letter.kind === 'firing') return new Misses(resources).dismiss(letter.schedule, letter.at, by, reason);
  if (letter.kind === 'event') {
    const now = await resources.host.now();
    const buried = await resources.journal.inbox?.bury(by.tenant, letter.nr, { to: 'dismissed', now, by: by.id, reason });
    if (!buried) throw noEvent(letter.nr);
    return;
  }
  const { runId, callId } = letter;
  const log = await logOf(resources, runId, by, 'decide');
  await openCall(resources, runId, callId);
  await log.append(() => [{ type: 'call.dismissed', call: callId, by: principal(by), reason }], true);
}

/** @see Engine.retry */
export async function retried(
  resources: Resources,
  letter: EventRef | FiringRef,
  o: { by: Principal; data?: unknown },
): Promise<Signalled | { runId: string }> {
  checkMethod('retry', o);
  assertPrincipal(o?.by, 'trying a dead letter again');
  checkLetter(letter);
  if (letter.kind === 'event') return redelivered(resources, letter, o);
  // the run of a missed time
  return new Misses(resources).start(letter.schedule, letter.at, o.by);
}

/** Delivers an event again, with the data that it is given. */
async function redelivered(resources: Resources, { nr }: EventRef, { by, data }: { by: Principal; data?: unknown }): Promise<Signalled> {
  const { inbox } = resources.journal;
  const now = await resources.host.now();
  const [event] = (await inbox?.dead({ tenant: by.tenant, now, nr, limit: 1 })) ?? [];
  if (!inbox || !event) throw noEvent(nr);
  const given = data === undefined ? (event.data ?? null) : eventData(data);
  const problem = event.doubtful ? undefined : await fits(resources, event, given);
  const again = await inbox.bury(by.tenant, nr, { to: 'again', now, data: given, problem });
  if (!again) throw noEvent(nr);
  return signalled(again);
}

const noEvent = (nr: number) =>
  new RondoError('LETTER_NOT_FOUND', `event ${nr} is not a dead letter of this tenant. deadLetters() lists them.`, {
    details: { event: nr },
  });

/**
 * Checks that a call can be tried again by resuming its run.
 * @throws RondoError `CALL_NOT_FOUND`, `RUN_NOT_FOUND`, `NOT_PERMITTED`, `DECISION_INVALID` for a `once` call that is unknown, or `RUN_ENDED`.
 */
export async function assertRetriable(resources: Resources, letter: CallRef, o: { by: Principal }): Promise<void> {
  checkMethod('retry', o);
  const by = o?.by;
  assertPrincipal(by, 'trying a dead letter again');
  checkLetter(letter);
  const { runId, callId } = letter;
  const run = await runFor(resources, runId, by, 'decide');
  const { tool, row, effect } = await openCall(resources, runId, callId);
  const details = { runId, callId };
  if (row?.outcome === 'unknown' && effect === 'once')
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
