/** The index of effects, see `src/journal/effects.ts`. */
import { changedEffect, type EffectChange, type EffectFilter, type EffectRow, type StoredEffect } from '../../../journal/effects.ts';
import { type EffectColumns, storedOf } from '../rows/effect.ts';
import type { Access } from './access.ts';
import { numberOf } from './append.ts';
import type { Query } from './client.ts';

const FIELDS = ['call', 'at', 'tool', 'outcome', 'amount', 'open', 'first_run', 'first_call'].map((field) => `e.${field}`).join(', ');

export type Effects = ReturnType<typeof effects>;

export function effects({ names: { of }, query }: Access) {
  const STORED = `
    SELECT ${FIELDS} FROM ${of('effect')} AS e JOIN ${of('head')} AS h ON h.run = e.run WHERE h.run_id = $1 AND e.call = ANY($2::text[])`;
  const CLEAR = `DELETE FROM ${of('effect')} WHERE run = (SELECT run FROM ${of('head')} WHERE run_id = $1)`;
  const NUMBER = `SELECT run FROM ${of('head')} WHERE run_id = $1`;

  return {
    /** The rows that changes make of those that are stored, in a transaction that holds the run. */
    async changed(tx: Query, runId: string, changes: readonly EffectChange[]): Promise<StoredEffect[]> {
      const calls = changes.flatMap((change) => (change.to === 'rebuilt' ? [] : [change.call]));
      const stored = await tx<EffectColumns>(STORED, [runId, calls]);
      const rows = new Map(stored.map((row) => [row.call, storedOf(row)]));
      const made = new Map<string, StoredEffect>();
      for (const change of changes) {
        if (change.to === 'rebuilt') {
          await tx(CLEAR, [runId]);
          rows.clear();
          made.clear();
          continue;
        }
        const row = changedEffect(rows.get(change.call), change);
        if (!row) continue;
        rows.set(row.call, row);
        made.set(row.call, row);
      }
      return [...made.values()];
    },

    async *list({ tenant, run, tool, outcome, open, since, after, limit }: EffectFilter): AsyncGenerator<EffectRow, void, undefined> {
      const values: unknown[] = [];
      const p = (value: unknown) => `$${values.push(value)}`;
      // the conditions of the partial indexes, word by word
      const where = ['e.first_run IS NULL', tenant === undefined ? 'h.tenant IS NULL' : `(h.tenant IS NULL OR h.tenant = ${p(tenant)})`];
      if (open) where.push('e.open IS NOT NULL');
      if (run !== undefined) where.push(`h.run_id = ${p(run)}`);
      if (tool !== undefined) where.push(`e.tool = ${p(tool)}`);
      if (outcome !== undefined) where.push(`e.outcome = ${p(outcome)}`);
      if (since !== undefined) where.push(`e.at >= ${p(since)}`);
      if (after) {
        const [known] = await query<{ run: number }>(NUMBER, [after.run]);
        const place = [after.at, known?.run ?? Number.MAX_SAFE_INTEGER, numberOf(after.call), after.call];
        where.push(`(e.at, e.run, e.call_nr, e.call) < (${place.map(p).join(', ')})`);
      }
      const rows = await query<EffectColumns & { run_id: string; again: number }>(
        `SELECT h.run_id, ${FIELDS}, (SELECT count(*) FROM ${of('effect')} AS later
           WHERE later.first_run = h.run_id AND later.first_call = e.call) AS again
         FROM ${of('effect')} AS e JOIN ${of('head')} AS h ON h.run = e.run
         WHERE ${where.join(' AND ')} ORDER BY e.at DESC, e.run DESC, e.call_nr DESC, e.call DESC LIMIT ${p(limit)}`,
        values,
      );
      for (const row of rows) {
        const { first: _, ...effect } = storedOf(row);
        yield { ...effect, run: row.run_id, again: row.again };
      }
    },
  };
}
