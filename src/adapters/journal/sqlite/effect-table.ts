/** The statements on the table `effect`, see schema.ts. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { changedEffect, type EffectChange, type EffectFilter, type EffectRow } from '../../../journal/effects.ts';
import { type EffectColumns, storedOf } from '../rows/effect.ts';

export type EffectTable = ReturnType<typeof effectTable>;

/** Call the writing functions within a transaction. @param run the run's number in the other tables. */
export function effectTable(db: DatabaseSync) {
  const find = db.prepare('SELECT * FROM effect WHERE run = ? AND call = ?');
  const put = db.prepare(
    'INSERT OR REPLACE INTO effect (run, call, at, tool, outcome, amount, open, first_run, first_call) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const remove = db.prepare('DELETE FROM effect WHERE run = ?');
  const number = db.prepare('SELECT run FROM head WHERE run_id = ?');
  const made = new Map<string, StatementSync>();

  const stored = (run: number, call: string) => {
    const row = find.get(run, call) as EffectColumns | undefined;
    return row && storedOf(row);
  };

  function statement(where: readonly string[]): StatementSync {
    const key = where.join(' AND ');
    let found = made.get(key);
    if (!found) {
      found = db.prepare(`
        SELECT head.run_id, effect.*, (SELECT count(*) FROM effect AS later
          WHERE later.first_run = head.run_id AND later.first_call = effect.call) AS again
        FROM effect JOIN head ON head.run = effect.run
        WHERE ${key} ORDER BY effect.at DESC, effect.run DESC, CAST(effect.call AS INTEGER) DESC, effect.call DESC LIMIT ?`);
      made.set(key, found);
    }
    return found;
  }

  return {
    change(run: number, changes: readonly EffectChange[]): void {
      for (const change of changes) {
        if (change.to === 'rebuilt') {
          remove.run(run);
          continue;
        }
        // most calls end once: what they were before is not asked for
        const row = changedEffect(change.to === 'ended' ? undefined : stored(run, change.call), change);
        if (!row) continue;
        const { call, at, tool, outcome, amount, open, first } = row;
        const worth = amount ? JSON.stringify(amount) : null;
        put.run(run, call, at, tool, outcome, worth, open ? 1 : null, first?.run ?? null, first?.call ?? null);
      }
    },

    list({ tenant, run, tool, outcome, open, since, after, limit }: EffectFilter): EffectRow[] {
      // the conditions of the partial indexes, word by word
      const where = ['effect.first_run IS NULL', tenant === undefined ? 'head.tenant IS NULL' : '(head.tenant IS NULL OR head.tenant = ?)'];
      const values: (string | number)[] = tenant === undefined ? [] : [tenant];
      const add = (condition: string, ...more: (string | number)[]) => {
        where.push(condition);
        values.push(...more);
      };
      if (open) add('effect.open IS NOT NULL');
      if (run !== undefined) add('head.run_id = ?', run);
      if (tool !== undefined) add('effect.tool = ?', tool);
      if (outcome !== undefined) add('effect.outcome = ?', outcome);
      if (since !== undefined) add('effect.at >= ?', since);
      if (after) {
        const known = number.get(after.run) as { run: number } | undefined;
        const place = [after.at, known?.run ?? Number.MAX_SAFE_INTEGER, Number.parseInt(after.call, 10), after.call];
        add('(effect.at, effect.run, CAST(effect.call AS INTEGER), effect.call) < (?, ?, ?, ?)', ...place);
      }
      return (statement(where).all(...values, limit) as unknown as EffectColumns[]).map((row) => {
        const { first: _, ...effect } = storedOf(row);
        return { ...effect, run: row.run_id, again: row.again };
      });
    },

    remove: (run: number): void => void remove.run(run),
  };
}
