/** Writes and reads records. Call all of it within a transaction. */
import type { MemoryPage, MemoryRecord, Provenance, RecordQuery } from '../../ports/memory-store.ts';
import { cursor } from './cursor.ts';
import { unknownRecord } from './errors.ts';
import { makeNamespace, removeEmptyNamespaces } from './namespace.ts';
import { all, checkedQuery, covered } from './record-filter.ts';
import type { CheckedChange, CheckedRecord } from './record-input.ts';
import type { Settings } from './settings.ts';
import { indexed, placeOf } from './terms.ts';
import { removeVector, vectorsChanged } from './vector-rows.ts';

export interface RecordRow {
  nr: number;
  id: string;
  namespace: number;
  path: string;
  text: string;
  strategy: string | null;
  metadata: string | null;
  origin: string;
  created_at: number;
  updated_at: number | null;
  expires_at: number | null;
}

export const RECORD_FIELDS =
  'r.nr, r.id, r.namespace, n.path, r.text, r.strategy, r.metadata, r.origin, r.created_at, r.updated_at, r.expires_at';
export const RECORD_TABLES = 'record r JOIN namespace n ON n.nr = r.namespace';

/** @param id of a record that may have been added before: then it stays as it is. @returns its id. */
export function insertRecord(settings: Settings, record: CheckedRecord, id = settings.ids.record()): string {
  const { db, space } = settings;
  if (db.prepare('SELECT 1 FROM record WHERE space = ? AND id = ?').get(space(), id)) return id;
  const namespace = makeNamespace(settings, record.namespace);
  const now = settings.now();
  const lives = settings.recordExpiry(record.namespace);
  const expires = record.expiresAt ?? (lives === undefined ? null : now + lives);
  const text = storable(record.text);
  const { lastInsertRowid } = db
    .prepare(
      'INSERT INTO record (space, id, namespace, text, strategy, metadata, origin, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    )
    .run(
      settings.makeSpace(),
      id,
      namespace,
      text,
      record.strategy ?? null,
      record.metadata ?? null,
      record.origin,
      record.at ?? now,
      expires,
    );
  const nr = Number(lastInsertRowid);
  db.prepare('INSERT INTO record_text (rowid, terms, place) VALUES (?, ?, ?)').run(nr, indexed(text), placeOf(namespace));
  if (record.from) addSource(settings, nr, record.from);
  return id;
}

/** @throws RondoError `MEMORY_RECORD_UNKNOWN` */
export function changeRecord(settings: Settings, change: CheckedChange): void {
  const { db } = settings;
  const row = knownRow(settings, change.id);
  const at = change.at ?? settings.now();
  const text = change.text === undefined ? row.text : storable(change.text);
  const namespace = change.namespace === undefined ? row.namespace : makeNamespace(settings, change.namespace);
  const expires = change.expiresAt === undefined ? row.expires_at : change.expiresAt;
  db.prepare('UPDATE record SET text = ?, namespace = ?, metadata = ?, updated_at = ?, expires_at = ? WHERE nr = ?').run(
    text,
    namespace,
    change.metadata ?? row.metadata,
    at,
    expires,
    row.nr,
  );
  if (text !== row.text) {
    db.prepare('INSERT INTO version (record, nr, text, until) SELECT ?, count(*), ?, ? FROM version WHERE record = ?').run(
      row.nr,
      row.text,
      at,
      row.nr,
    );
    removeVector(settings, row.nr);
  }
  if (namespace !== row.namespace || expires !== row.expires_at) vectorsChanged(settings);
  if (text !== row.text || namespace !== row.namespace)
    db.prepare('UPDATE record_text SET terms = ?, place = ? WHERE rowid = ?').run(indexed(text), placeOf(namespace), row.nr);
  if (namespace !== row.namespace) removeEmptyNamespaces(settings, [row.namespace]);
  if (change.from) addSource(settings, row.nr, change.from);
}

/** The SQLite of Node 22 cuts a text at U+0000 when it is read. */
const storable = (text: string): string => text.replaceAll('\0', '\uFFFD');

type Nullable<T> = { [K in keyof T]: T[K] | null };

/** Most of those that said again what a record says. */
const MOST_AGAIN = 50;

/** One row of each actor, session and run: their events are put together. Of those that the text is from, `nr` is 0 or more. */
function addSource(settings: Settings, record: number, from: Provenance): void {
  if (added(settings, record, from, 'nr >= 0')) return;
  insertSource(settings, record, from, 'coalesce(max(nr), -1) + 1 FROM source WHERE nr >= 0 AND record = ?');
}

/**
 * What a record says was said again. The text is not from there, so `nr` is below 0: when it is forgotten, the record stays; when what the text is from
 * is forgotten, it is learned from there.
 * @throws RondoError `MEMORY_RECORD_UNKNOWN`
 */
export function addAgain(settings: Settings, id: string, from: Provenance): void {
  const { nr } = knownRow(settings, id);
  if (added(settings, nr, from, 'TRUE')) return;
  const { n } = settings.db.prepare('SELECT count(*) AS n FROM source WHERE record = ? AND nr < 0').get(nr) as { n: number };
  if (n < MOST_AGAIN) insertSource(settings, nr, from, 'coalesce(min(nr), 0) - 1 FROM source WHERE nr < 0 AND record = ?');
}

/** Adds events to a row that is there. @returns whether there was one. */
function added({ db }: Settings, record: number, from: Provenance, which: string): boolean {
  const { actor, session = null, events = [], run = null }: Nullable<Provenance> = from;
  const known = db
    .prepare(`SELECT nr, events FROM source WHERE record = ? AND actor = ? AND session IS ? AND run IS ? AND ${which} ORDER BY nr DESC`)
    .get(record, actor, session, run);
  if (!known) return false;
  const together = [...new Set([...JSON.parse(known.events as string), ...events])];
  db.prepare('UPDATE source SET events = ? WHERE record = ? AND nr = ?').run(JSON.stringify(together), record, known.nr as number);
  return true;
}

function insertSource({ db }: Settings, record: number, from: Provenance, nr: string): void {
  const { actor, session = null, events = [], run = null }: Nullable<Provenance> = from;
  db.prepare(`INSERT INTO source (record, actor, session, events, run, nr) SELECT ?, ?, ?, ?, ?, ${nr}`).run(
    ...[record, actor, session, JSON.stringify(events), run, record],
  );
}

/** @throws RondoError `MEMORY_RECORD_UNKNOWN` */
export function removeRecord(settings: Settings, id: string): void {
  removeRows(settings, [knownRow(settings, id)]);
}

/** Removes rows with all that belongs to them. */
export function removeRows(settings: Settings, rows: readonly { nr: number; namespace: number }[]): void {
  const { db } = settings;
  for (const { nr } of rows) {
    removeVector(settings, nr);
    db.prepare('DELETE FROM record_text WHERE rowid = ?').run(nr);
    db.prepare('DELETE FROM source WHERE record = ?').run(nr);
    db.prepare('DELETE FROM version WHERE record = ?').run(nr);
    db.prepare('DELETE FROM record WHERE nr = ?').run(nr);
  }
  removeEmptyNamespaces(
    settings,
    rows.map(({ namespace }) => namespace),
  );
}

/** @throws RondoError `MEMORY_RECORD_UNKNOWN` */
export function knownRow(settings: Settings, id: string): RecordRow {
  const row = findRow(settings, id);
  if (!row) throw unknownRecord(id);
  return row;
}

export function findRow({ db, space, now }: Settings, id: string): RecordRow | undefined {
  return db
    .prepare(`SELECT ${RECORD_FIELDS} FROM ${RECORD_TABLES} WHERE r.space = ? AND r.id = ? AND (r.expires_at IS NULL OR r.expires_at > ?)`)
    .get(space(), id, now()) as RecordRow | undefined;
}

export function recordOf({ db }: Settings, row: RecordRow): MemoryRecord {
  const from = db.prepare('SELECT actor, session, events, run FROM source WHERE record = ? ORDER BY nr < 0, abs(nr)').all(row.nr);
  const history = db.prepare('SELECT text, until FROM version WHERE record = ? ORDER BY nr').all(row.nr);
  return {
    id: row.id,
    namespace: row.path,
    text: row.text,
    ...(row.strategy !== null && { strategy: row.strategy }),
    ...(row.metadata !== null && { metadata: JSON.parse(row.metadata) }),
    createdAt: row.created_at,
    ...(row.updated_at !== null && { updatedAt: row.updated_at }),
    origin: row.origin as NonNullable<MemoryRecord['origin']>,
    ...(from.length > 0 && { from: from.map(provenanceOf) }),
    ...(history.length > 0 && { history: history.map(({ text, until }) => ({ text: text as string, until: until as number })) }),
    ...(row.expires_at !== null && { expiresAt: row.expires_at }),
  };
}

function provenanceOf({ actor, session, events, run }: Record<string, unknown>): Provenance {
  const ids = JSON.parse(events as string) as string[];
  return {
    actor: actor as string,
    ...(session !== null && { session: session as string }),
    ...(ids.length > 0 && { events: ids }),
    ...(run !== null && { run: run as string }),
  };
}

/** Newest first. */
export function pageOfRecords(settings: Settings, query: RecordQuery): MemoryPage<MemoryRecord> {
  const checked = checkedQuery(query);
  const list = cursor<[number, number]>(['records', JSON.stringify(checked)], query);
  const { namespace, strategy, metadata, alive } = covered(settings, checked);
  const [at, nr] = list.after ?? [Number.MAX_SAFE_INTEGER, 0];
  const where = all([namespace, strategy, metadata, alive, { sql: '(r.created_at, r.nr) < (?, ?)', values: [at, nr] }]);
  const rows = settings.db
    .prepare(`SELECT ${RECORD_FIELDS} FROM ${RECORD_TABLES} WHERE ${where.sql} ORDER BY r.created_at DESC, r.nr DESC LIMIT ?`)
    .all(...where.values, list.limit + 1) as unknown as RecordRow[];
  return list.page(
    rows,
    (last) => [last.created_at, last.nr],
    (row) => recordOf(settings, row),
  );
}
