import { changedEffect, type EffectChange, type EffectFilter, type EffectRow, laterCall, type StoredEffect } from '../effects.ts';
import type { CallId } from '../entries/entries.ts';
import type { RunHead } from '../port.ts';

/** A run as the index needs it: `nr` orders runs by their creation. */
interface Run {
  readonly nr: number;
  readonly head: RunHead;
}

/** The index of effects of a journal in memory. */
export interface MemoryEffects {
  /** Applies the changes in order. */
  change(runId: string, changes: readonly EffectChange[]): void;
  /** Newest first. It looks at each row, so its cost grows with their number. */
  list(filter: EffectFilter): EffectRow[];
  /** Its rows go, and no longer count in `again` of others. */
  remove(runId: string): void;
}

/** @param find a run of the journal; undefined once it was removed. */
export function memoryEffects(find: (runId: string) => Run | undefined): MemoryEffects {
  const byRun = new Map<string, Map<CallId, StoredEffect>>();
  /** How often each call's result was given again, by {@link nameOf}. */
  const again = new Map<string, number>();

  function count({ first }: StoredEffect, more: 1 | -1): void {
    if (first) again.set(nameOf(first.run, first.call), (again.get(nameOf(first.run, first.call)) ?? 0) + more);
  }

  function put(rows: Map<CallId, StoredEffect>, row: StoredEffect): void {
    const before = rows.get(row.call);
    if (before) count(before, -1);
    rows.set(row.call, row);
    count(row, 1);
  }

  function remove(runId: string): void {
    for (const row of byRun.get(runId)?.values() ?? []) count(row, -1);
    byRun.delete(runId);
  }

  return {
    change(runId, changes) {
      for (const change of changes) {
        if (change.to === 'rebuilt') {
          remove(runId);
          continue;
        }
        const rows = byRun.get(runId) ?? new Map<CallId, StoredEffect>();
        const row = changedEffect(rows.get(change.call), change);
        if (!row) continue;
        byRun.set(runId, rows);
        put(rows, row);
      }
    },

    list({ tenant, run, tool, outcome, open, since, after, limit }) {
      const found: (EffectRow & { nr: number })[] = [];
      const last = after && { ...after, nr: find(after.run)?.nr ?? Number.POSITIVE_INFINITY };
      for (const [runId, rows] of run === undefined ? byRun : [[run, byRun.get(run) ?? new Map()] as const]) {
        const of = find(runId);
        if (!of || (of.head.tenant !== undefined && of.head.tenant !== tenant)) continue;
        for (const { first, ...row } of rows.values()) {
          if (first || (tool !== undefined && row.tool !== tool) || (outcome !== undefined && row.outcome !== outcome)) continue;
          if ((open && !row.open) || (since !== undefined && row.at < since)) continue;
          const effect = { ...row, run: runId, nr: of.nr, again: again.get(nameOf(runId, row.call)) ?? 0 };
          if (!last || newestFirst(last, effect) < 0) found.push(effect);
        }
      }
      return found
        .sort(newestFirst)
        .slice(0, limit)
        .map(({ nr: _, ...row }) => row);
    },

    remove,
  };
}

const nameOf = (run: string, call: CallId) => `${call} ${run}`;

type Place = Pick<EffectRow, 'at' | 'call'> & { nr: number };
const newestFirst = (a: Place, b: Place) => b.at - a.at || b.nr - a.nr || laterCall(a.call, b.call);
