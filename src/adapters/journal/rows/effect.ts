/** Effects as rows. */
import { changedEffect, type EffectChange, type EffectOutcome, type StoredEffect } from '../../../journal/effects.ts';

export interface EffectColumns {
  run_id: string;
  call: string;
  at: number;
  tool: string;
  outcome: string;
  amount: string | null;
  open: number | null;
  first_run: string | null;
  first_call: string | null;
  again: number;
}

export function storedOf({ call, at, tool, outcome, amount, open, first_run, first_call }: EffectColumns): StoredEffect {
  return {
    call,
    at,
    tool,
    outcome: outcome as EffectOutcome,
    amount: amount === null ? undefined : JSON.parse(amount),
    open: open === null ? undefined : true,
    first: first_run === null || first_call === null ? undefined : { run: first_run, call: first_call },
  };
}

/** The rows that changes make, if what is stored does not matter, as of nearly all appends. */
export function certainEffects(changes: readonly EffectChange[]): StoredEffect[] | undefined {
  const rows: StoredEffect[] = [];
  for (const change of changes) {
    if (change.to !== 'ended' && change.to !== 'repeated') return undefined;
    const row = changedEffect(undefined, change);
    if (row) rows.push(row);
  }
  return rows;
}
