/** Removes an actor, or one of its sessions, with all that was derived. Call it within a transaction. */
import { name } from './checks.ts';
import { ACTOR, SESSION } from './event-input.ts';
import { removeRows } from './records.ts';
import type { Settings } from './settings.ts';

/** A record that was learned from several sessions goes with the first of them: its text may say what that session said. */
export function forgetActor(settings: Settings, whom: { actor: string; session?: string }): void {
  const { db } = settings;
  const space = settings.space();
  const actor = name(whom.actor, 'actor', ACTOR);
  const session = whom.session === undefined ? null : name(whom.session, 'session', SESSION);
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
       WHERE r.space = ? AND s.actor = ? AND (? IS NULL OR s.session = ?)`,
    )
    .all(space, actor, session, session);
  removeRows(settings, derived as unknown as { nr: number; namespace: number }[]);
}
