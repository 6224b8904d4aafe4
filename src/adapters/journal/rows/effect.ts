/** An effect as a row. */
import type { EffectOutcome, StoredEffect } from '../../../journal/effects.ts';

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
