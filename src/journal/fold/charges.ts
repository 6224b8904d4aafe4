/** What calls of tools and the checks of guardrails cost, in the sums of their frame, of those above, and of the run. */
import type { Judged } from '../../ports/guardrail.ts';
import type { Charge } from '../entries/intent.ts';
import { nanoOf } from './spent.ts';
import type { Call, Frame } from './state.ts';

/** A call starts: its first attempt counts. What an interrupted attempt cost stays, because it may have run. */
export function begins(frame: Frame, call: Call, usd: number | undefined): void {
  call.paid = undefined;
  if (usd !== undefined) pays(frame, call, usd);
}

/** What the call is known to have cost replaces what was counted when its last attempt began. */
export function costs(frame: Frame, call: Call, { usd, unpriced }: Charge): void {
  if (usd !== undefined) {
    refunds(call);
    pays(frame, call, usd);
  }
  if (unpriced) charge(frame, undefined);
}

/** It is known that the last attempt did not run. */
export function refunds(call: Call): void {
  if (call.paid) charge(call.paid.from, -nanoOf(call.paid.usd));
  call.paid = undefined;
}

/** Adds the cost of a failed attempt, of a late result, or of a check. */
export function spends(frame: Frame, { usd, unpriced }: { readonly usd?: number; readonly unpriced?: unknown }): void {
  if (usd !== undefined) charge(frame, nanoOf(usd));
  if (unpriced) charge(frame, undefined);
}

/** Adds what it cost to check the content of an entry. Verdicts are in the entry that they let in, so a run that goes on counts none again. */
export function checks(frame: Frame, verdicts: NonNullable<Judged['verdicts']>): void {
  for (const verdict of verdicts) spends(frame, verdict);
}

function pays(frame: Frame, call: Call, usd: number): void {
  charge(frame, nanoOf(usd));
  call.paid = { usd, from: frame };
}

/** @param nano undefined if it is unknown, which makes the sums unknown. */
function charge(frame: Frame, nano: number | undefined): void {
  for (let f: Frame | undefined = frame; f; f = f.parent)
    f.spent.nanoUsd = nano === undefined || f.spent.nanoUsd === undefined ? undefined : f.spent.nanoUsd + nano;
}
