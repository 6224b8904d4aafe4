/** Removes an actor, or one of its sessions, with all that was derived. Call it within a transaction. */
import { removeRows } from './records.ts';
import type { Settings } from './settings.ts';

/** An event that a strategy learned from. */
export interface LearnedFrom {
  readonly event: number;
  readonly strategy: string;
}

/**
 * A record that was learned from several sessions goes with the first of them: its text may say what that session said.
 * @returns the other events that such records were learned from, in order.
 */
export function forgetActor(
  settings: Settings,
  { actor, session = null }: { actor: string; session?: string | null },
): readonly LearnedFrom[] {
  const { db } = settings;
  const space = settings.space();
  db.prepare('DELETE FROM event WHERE session IN (SELECT nr FROM session WHERE space = ? AND actor = ? AND (? IS NULL OR id = ?))').run(
    space,
    actor,
    session,
    session,
  );
  db.prepare('DELETE FROM session WHERE space = ? AND actor = ? AND (? IS NULL OR id = ?)').run(space, actor, session, session);
  const derived = db
    .prepare(
      `SELECT DISTINCT r.nr, r.namespace FROM source s JOIN record r ON r.nr = s.record
       WHERE r.space = ? AND s.actor = ? AND (? IS NULL OR s.session = ?) AND s.nr >= 0`,
    )
    .all(space, actor, session, session);
  const numbers = JSON.stringify(derived.map(({ nr }) => nr));
  const others = db
    .prepare(
      `SELECT DISTINCT e.nr AS event, r.strategy FROM source s JOIN record r ON r.nr = s.record
       JOIN session x ON x.space = r.space AND x.actor = s.actor AND x.id = s.session
       JOIN event e ON e.session = x.nr AND e.id IN (SELECT value FROM json_each(s.events))
       WHERE s.record IN (SELECT value FROM json_each(?)) AND r.strategy IS NOT NULL AND (e.expires_at IS NULL OR e.expires_at > ?) ORDER BY e.nr`,
    )
    .all(numbers, settings.now());
  // those that said again what a record says: it stays
  db.prepare(
    `DELETE FROM source WHERE actor = ? AND (? IS NULL OR session = ?) AND nr < 0 AND record IN (SELECT nr FROM record WHERE space = ?)`,
  ).run(actor, session, session, space);
  removeRows(settings, derived as unknown as { nr: number; namespace: number }[]);
  return others as unknown as LearnedFrom[];
}
