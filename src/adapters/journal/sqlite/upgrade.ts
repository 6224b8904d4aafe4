/** Upgrades the tables of older versions of Rondo, one version at a time. */
import type { DatabaseSync } from 'node:sqlite';
import { makeSecret } from './claim-table.ts';
import { heads } from './heads.ts';
import {
  ASKS_INDEX,
  CLAIM_TABLES,
  DUE_INDEXES,
  EFFECT_TABLES,
  GONE,
  goneChecksum,
  INBOX_TABLES,
  QUEUE_INDEX,
  RECORD_TABLES,
  SCHEMA_VERSION,
  SESSION_INDEX,
} from './schema.ts';
import { moveThreads } from './threads.ts';

/** The step from version 1 is first. */
const STEPS: readonly ((db: DatabaseSync) => void)[] = [
  addChecksums,
  (db) => db.exec(DUE_INDEXES),
  (db) => {
    db.exec(RECORD_TABLES);
    moveThreads(db);
  },
  (db) => {
    db.exec(`DROP INDEX head_open; ${QUEUE_INDEX} ${CLAIM_TABLES} ${EFFECT_TABLES}`);
    makeSecret(db);
    db.exec(`DROP INDEX head_session_open; ${SESSION_INDEX} ${INBOX_TABLES} ${ASKS_INDEX}`);
    heads(db, () => true).markPaused();
  },
];

/** Runs in a transaction. @param from the version of the file. */
export function upgrade(db: DatabaseSync, from: number): void {
  // before the steps, because some of them write heads
  if (from < 5) db.exec('ALTER TABLE head ADD COLUMN aside INTEGER; ALTER TABLE head ADD COLUMN asks INTEGER');
  for (const step of STEPS.slice(from - 1)) step(db);
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
}

/** Adds columns for checksums. Heads of version 1 have none and are trusted until they are written again. */
function addChecksums(db: DatabaseSync): void {
  db.exec(`
    ALTER TABLE head ADD COLUMN by_id TEXT;
    ALTER TABLE head ADD COLUMN fork TEXT;
    ALTER TABLE head ADD COLUMN tail INTEGER;
    ALTER TABLE head ADD COLUMN identity INTEGER;
    ALTER TABLE head ADD COLUMN checksum INTEGER;
    UPDATE head SET (by_id, fork) = (
      SELECT json_extract(body, '$[0].by.id'), json_extract(body, '$[0].fork.run')
      FROM extent JOIN entry USING (id) WHERE extent.run = head.run AND extent.seq = 0 AND json_valid(body));
    CREATE INDEX head_by ON head (by_id, started_at) WHERE by_id IS NOT NULL;
    CREATE INDEX head_fork ON head (fork, started_at) WHERE fork IS NOT NULL;
    INSERT INTO entry (id, run, seq, body, checksum)
      SELECT before + 1, ${GONE}, id - before - 1, '', 0
      FROM (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before FROM entry) WHERE id > before + 1;
  `);
  heads(db, () => true).seal();
  const gone = db.prepare('SELECT id, seq FROM entry WHERE run = ?').all(GONE) as { id: number; seq: number }[];
  const seal = db.prepare('UPDATE entry SET checksum = ? WHERE id = ?');
  for (const { id, seq } of gone) seal.run(goneChecksum(id, seq), id);
}
