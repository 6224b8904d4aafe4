/**
 * The tables of extraction. `extraction` has one row for each event and strategy, from the append of the event until its records are there: `reason` is
 * set when it failed for good. A row goes with its event. `items` are the positions that the strategy reads, `places` its namespaces.
 */
export const EXTRACTION = `
  CREATE TABLE extraction (
    nr INTEGER PRIMARY KEY AUTOINCREMENT, space INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, event INTEGER NOT NULL, session INTEGER NOT NULL,
    actor TEXT NOT NULL, strategy TEXT NOT NULL, places TEXT NOT NULL, items TEXT NOT NULL, attempts INTEGER NOT NULL, due_at INTEGER NOT NULL,
    reason TEXT
  ) STRICT;
  CREATE INDEX extraction_open ON extraction (space, actor, nr) WHERE reason IS NULL;
  CREATE INDEX extraction_failed ON extraction (space, nr) WHERE reason IS NOT NULL;
  CREATE INDEX extraction_event ON extraction (event);
  CREATE TABLE extraction_lease (
    space INTEGER NOT NULL, actor TEXT NOT NULL, owner TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (space, actor)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE extraction_skipped (
    event INTEGER NOT NULL, strategy TEXT NOT NULL, space INTEGER NOT NULL, missing TEXT NOT NULL, PRIMARY KEY (event, strategy)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX extraction_skipped_of ON extraction_skipped (space, strategy, missing);
  CREATE TRIGGER extraction_of_event AFTER DELETE ON event BEGIN
    DELETE FROM extraction WHERE event = old.nr;
    DELETE FROM extraction_skipped WHERE event = old.nr;
  END;`;
