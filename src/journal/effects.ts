/**
 * The index of effects: one row for each call that was not a read, so that all that runs did can be listed without reading their journals.
 * Rows change in the same append as the entry that says why, and can be rebuilt from entries: see `effectChanges`.
 */
import type { Holder } from './claims.ts';
import type { CallId } from './entries/entries.ts';
import type { Amount } from './entries/intent.ts';

/** How a call ended: `unknown` means that it may or may not have taken effect. */
export type EffectOutcome = 'done' | 'failed' | 'not-run' | 'unknown';

/** A tool call, a durable step or a turn of a foreign agent that was not a read. */
export interface EffectRow {
  run: string;
  call: CallId;
  /** When it started, epoch milliseconds. */
  at: number;
  /** The name of the tool, the step or the agent. */
  tool: string;
  /** What is known by now: it changes when an operator, a `check` or a late result settles the call. */
  outcome: EffectOutcome;
  /** By unit, as the tool's `amount` declared it of this call. Absent: it declares none. */
  amount?: Amount | undefined;
  /** It gave up, or its outcome is unknown, and it was neither settled nor dismissed since. */
  open?: true | undefined;
  /** How many calls asked for its intent again, and got its result. */
  again: number;
}

/** Orders two calls of one run for a list, the later one first. */
export const laterCall = (a: CallId, b: CallId) => Number.parseInt(b, 10) - Number.parseInt(a, 10) || (a < b ? 1 : a > b ? -1 : 0);

/** The place of a row in lists, which are newest first. */
export type EffectPlace = Pick<EffectRow, 'run' | 'call' | 'at'>;

/** A row must match all fields that are given. */
export interface EffectFilter {
  /** Rows of runs of this tenant, and of none. Undefined: of none only. */
  tenant: string | undefined;
  run?: string | undefined;
  /** The exact name of a tool, a step or an agent. */
  tool?: string | undefined;
  outcome?: EffectOutcome | undefined;
  /** Only rows that are `open`. */
  open?: true | undefined;
  /** Rows that started at this time or later, epoch milliseconds. */
  since?: number | undefined;
  /** The last row of the previous page. If its run was removed since, rows of the same millisecond may be returned twice. */
  after?: EffectPlace | undefined;
  /** Most rows. */
  limit: number;
}

/** A change of the rows of the run that is appended to. */
export type EffectChange =
  | ({ to: 'ended' } & Omit<EffectRow, 'run' | 'again'>)
  /** The call did not run: its intent was done before, by the call `first`. No list has it; it counts in `again` of that one. */
  | { to: 'repeated'; call: CallId; at: number; first: Holder }
  /** Something became known later. `started` is given while the call has no row. */
  | {
      to: 'settled';
      call: CallId;
      outcome: EffectOutcome;
      open?: true | undefined;
      started?: Pick<EffectRow, 'at' | 'tool' | 'amount'> | undefined;
    }
  | { to: 'dismissed'; call: CallId }
  /** Before the rows of a run are written again: all that there are go. */
  | { to: 'rebuilt' };

/** A row as a store keeps it. `first`: the call whose result it got. */
export type StoredEffect = Omit<EffectRow, 'run' | 'again'> & { first?: Holder | undefined };

/**
 * What a change makes of a row, for every store alike. Undefined: the row stays as it is, or there is none.
 * What is done stays done, whatever is said later.
 */
export function changedEffect(
  before: StoredEffect | undefined,
  change: Exclude<EffectChange, { to: 'rebuilt' }>,
): StoredEffect | undefined {
  switch (change.to) {
    case 'ended': {
      const { to: _, ...row } = change;
      return row;
    }
    case 'repeated': {
      const { call, at, first } = change;
      return { call, at, tool: '', outcome: 'done', first };
    }
    case 'settled': {
      const { call, outcome, open, started } = change;
      if (!before) return started && { call, ...started, outcome, open };
      if (before.outcome === 'done' || (before.outcome !== 'unknown' && outcome !== 'done')) return undefined;
      return { ...before, outcome, open };
    }
    case 'dismissed':
      return before?.open && { ...before, open: undefined };
  }
}
