import { StatementSync } from 'node:sqlite';
import type { Point } from '../points.ts';

const WRITES = /^(INSERT|UPDATE|DELETE|COMMIT)/;

/** A point before and after each statement by which this process writes to SQLite: also in the middle of a transaction. */
export function pointedStatements(point: Point): void {
  const run = StatementSync.prototype.run as (this: StatementSync, ...values: unknown[]) => ReturnType<StatementSync['run']>;
  StatementSync.prototype.run = function (this: StatementSync, ...values: unknown[]) {
    const sql = this.sourceSQL.trim().split(/\s+/).slice(0, 4).join(' ');
    if (!WRITES.test(sql)) return run.apply(this, values);
    point(`before ${sql}`);
    const done = run.apply(this, values);
    point(`after ${sql}`);
    return done;
  };
}
