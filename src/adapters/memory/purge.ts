/** Removes what has expired. It cannot be read before that either. */
import { removeEmptySessions } from './events.ts';
import { removeRows } from './records.ts';
import type { Settings } from './settings.ts';

/** Most rows of a kind at once, so that a write never waits for long. */
const MOST = 200;

/** Call it within a transaction. */
export function purge(settings: Settings): void {
  const { db, space } = settings;
  const now = settings.now();
  const events = db.prepare('SELECT nr, session FROM event WHERE space = ? AND expires_at <= ? LIMIT ?').all(space(), now, MOST);
  for (const { nr } of events) db.prepare('DELETE FROM event WHERE nr = ?').run(nr as number);
  for (const session of new Set(events.map((event) => event.session as number))) removeEmptySessions(settings, session);
  const records = db.prepare('SELECT nr, namespace FROM record WHERE space = ? AND expires_at <= ? LIMIT ?').all(space(), now, MOST);
  if (records.length > 0) removeRows(settings, records as unknown as { nr: number; namespace: number }[]);
}
