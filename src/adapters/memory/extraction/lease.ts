/**
 * One process at a time learns from what an actor said: two at once would not see each other's records, and add the same fact twice. The
 * lease is by the memory's clock. Call all of it within a transaction.
 */
import type { Settings } from '../settings.ts';

/** Milliseconds. */
export const LEASE = 15_000;

/** @returns false if another process has it. */
export function takeLease({ db, space, now }: Settings, actor: string, owner: string): boolean {
  const at = now();
  const { changes } = db
    .prepare(
      `INSERT INTO extraction_lease (space, actor, owner, until) VALUES (?, ?, ?, ?)
       ON CONFLICT (space, actor) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE owner = excluded.owner OR until <= ?`,
    )
    .run(space(), actor, owner, at + LEASE, at);
  return changes > 0;
}

export const hasLease = ({ db, space }: Settings, actor: string, owner: string): boolean =>
  db.prepare('SELECT 1 FROM extraction_lease WHERE space = ? AND actor = ? AND owner = ?').get(space(), actor, owner) !== undefined;

export function releaseLease({ db, space }: Settings, actor: string, owner: string): void {
  db.prepare('DELETE FROM extraction_lease WHERE space = ? AND actor = ? AND owner = ?').run(space(), actor, owner);
}

/** The name of an actor that is forgotten must not stay. Work that is under way then writes nothing. */
export function removeLease({ db, space }: Settings, actor: string): void {
  db.prepare('DELETE FROM extraction_lease WHERE space = ? AND actor = ?').run(space(), actor);
}
