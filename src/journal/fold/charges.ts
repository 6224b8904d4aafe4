/** What calls of tools and the checks of guardrails cost, in the sums of their frame, of those above, and of the run. */
import type { Judged } from '../../ports/guardrail.ts';
import type { CallId, EntryOf } from '../entries/entries.ts';
import type { Charge } from '../entries/intent.ts';
import { callIn, openFrames } from './frame.ts';
import { nanoOf, spendTurn } from './spent.ts';
import type { Call, Frame, RunFold } from './state.ts';

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

/** What these attempts of a call used is unknown until each has ended. */
export function owes(frame: Frame, call: CallId, attempts: number): void {
  for (let f: Frame | undefined = frame; f; f = f.parent) {
    f.spent.owed ??= new Map();
    f.spent.owed.set(call, attempts);
  }
}

/** An attempt that was given up has ended. The frame of its call may be over: what it used counts in those above that are not. */
export function settles(run: RunFold, entry: EntryOf<'outcome.settled'>): void {
  const { call, source, outcome } = entry;
  const frames = openFrames(run);
  const owing = frames.filter(({ spent }) => spent.owed?.has(call));
  const own = frames.find((frame) => callIn(frame, call));
  for (const { spent } of owing.length > 0 ? owing : upwards(own ?? run.root)) {
    spendTurn(spent, entry);
    const left = (spent.owed?.get(call) ?? 0) - 1;
    // a failure, or a person's word, does not say what was used
    if (outcome === 'failed' || (source !== 'late' && outcome === 'done')) continue;
    if (left > 0 && source === 'late') spent.owed?.set(call, left);
    else spent.owed?.delete(call);
  }
}

/** Adds what it cost to check the content of an entry. Verdicts are in the entry that they let in, so a run that goes on counts none again. */
export function checks(frame: Frame, verdicts: NonNullable<Judged['verdicts']>): void {
  for (const verdict of verdicts) spends(frame, verdict);
}

function upwards(frame: Frame): readonly Frame[] {
  return frame.parent ? [frame, ...upwards(frame.parent)] : [frame];
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
