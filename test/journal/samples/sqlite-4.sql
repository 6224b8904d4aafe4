-- A SQLite journal of schema 4, as text: a run that refunded, one that waits for a person, and a record. Never edit: it stands for the files
-- that users have.
CREATE TABLE head (
    run INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    agent TEXT NOT NULL,
    status TEXT NOT NULL,
    session TEXT,
    tenant TEXT,
    owner TEXT,
    lease_until INTEGER,
    wake_at INTEGER,
    started_at INTEGER NOT NULL,
    unknowns INTEGER,
    version INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    by_id TEXT,
    fork TEXT,
    tail INTEGER,
    identity INTEGER,
    checksum INTEGER
  );
CREATE INDEX head_newest ON head (started_at);
CREATE INDEX head_open ON head (status, started_at) WHERE status IN ('running', 'paused');
CREATE INDEX head_session ON head (session, started_at) WHERE session IS NOT NULL;
CREATE INDEX head_by ON head (by_id, started_at) WHERE by_id IS NOT NULL;
CREATE INDEX head_fork ON head (fork, started_at) WHERE fork IS NOT NULL;
CREATE UNIQUE INDEX head_session_open ON head (session, ifnull(tenant, 0)) WHERE session IS NOT NULL AND status IN ('running', 'paused');
CREATE INDEX head_lease ON head (ifnull(lease_until, 0), run_id) WHERE status = 'running';
CREATE INDEX head_wake ON head (wake_at, run_id) WHERE status = 'paused' AND wake_at IS NOT NULL;
CREATE INDEX head_record ON head (wake_at, run_id) WHERE status = 'completed' AND wake_at IS NOT NULL;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
CREATE TABLE extent (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
  ) WITHOUT ROWID;
CREATE TABLE blob (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
  );
CREATE TABLE blob_use (
    hash TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (hash, run)
  ) WITHOUT ROWID;
CREATE INDEX blob_use_run ON blob_use (run);
CREATE TABLE record (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    key TEXT NOT NULL,
    held INTEGER NOT NULL,
    UNIQUE (namespace, key)
  );
CREATE TABLE record_value (
    record INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
CREATE UNIQUE INDEX record_value_seq ON record_value (record, seq);
INSERT INTO head (run, run_id, agent, status, session, tenant, owner, lease_until, wake_at, started_at, unknowns, version, seq, by_id, fork, tail, identity, checksum) VALUES (1, 'run_1', 'support', 'completed', '~3:ana:s0', 'acme', NULL, NULL, NULL, 1795940281049, NULL, 2, 6, 'ana', NULL, 4, 2495972081, 3269101012);
INSERT INTO head (run, run_id, agent, status, session, tenant, owner, lease_until, wake_at, started_at, unknowns, version, seq, by_id, fork, tail, identity, checksum) VALUES (2, 'run_2', 'support', 'paused', '~3:ana:s1', 'acme', NULL, NULL, NULL, 1795940281068, NULL, 2, 4, 'ana', NULL, 7, 1009043926, 1287019999);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (1, 1, 0, '[{"type":"run.started","agent":"support","fingerprint":"ce26acda11293017","input":"Refund order 7.","owner":"o1","by":{"id":"ana","tenant":"acme"},"session":"s0","v":2,"seq":0,"at":1795940281049}]', 1050823640);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (2, 1, 1, '[{"type":"model.responded","step":1,"model":"scripted/script","content":[{"type":"toolCall","id":"p1","name":"refund","input":{"orderId":"7"}}],"stop":"tools","ms":2,"usage":{"input":18,"output":18},"usd":0,"v":2,"seq":1,"at":1795940281063},{"type":"call.started","call":"1.0","effect":"once","v":2,"seq":2,"at":1795940281063}]', 3422013371);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (3, 1, 3, '[{"type":"call.finished","call":"1.0","ok":true,"output":"refunded 7","attempts":1,"ms":1,"v":2,"seq":3,"at":1795940281065}]', 868584195);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (4, 1, 4, '[{"type":"model.responded","step":2,"model":"scripted/script","content":[{"type":"text","text":"Order 7 is refunded."}],"stop":"end","ms":1,"usage":{"input":70,"output":12},"usd":0,"v":2,"seq":4,"at":1795940281066},{"type":"run.settled","status":"completed","output":"Order 7 is refunded.","ms":15,"v":2,"seq":5,"at":1795940281066}]', 1568461105);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (5, 2, 0, '[{"type":"run.started","agent":"support","fingerprint":"ce26acda11293017","input":"Refund order 8.","owner":"o1","by":{"id":"ana","tenant":"acme"},"session":"s1","v":2,"seq":0,"at":1795940281068}]', 2620100995);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (6, 2, 1, '[{"type":"model.responded","step":1,"model":"scripted/script","content":[{"type":"toolCall","id":"p1","name":"refund","input":{"orderId":"8"}}],"stop":"tools","ms":1,"usage":{"input":18,"output":18},"usd":0,"v":2,"seq":1,"at":1795940281069},{"type":"approval.requested","id":"ap_1319f1e5fe211f9c32cd","call":"1.0","kind":"tool","tool":"refund","digest":"410ecca56bc1d7428e23d6b0ba2f2d21079c3a57775351f0aa1797a5e3fc613b","allow":["approve","edit","reject"],"hash":"05c90e51a797147c","v":2,"seq":2,"at":1795940281069}]', 956597883);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (7, 2, 3, '[{"type":"run.settled","ms":2,"status":"paused","v":2,"seq":3,"at":1795940281070}]', 124193693);
INSERT INTO extent (run, seq, id) VALUES (1, 0, 1);
INSERT INTO extent (run, seq, id) VALUES (2, 0, 5);
INSERT INTO record (id, namespace, key, held) VALUES (1, 'notes', 'ana', 1);
INSERT INTO record_value (record, seq, body, checksum) VALUES (1, 0, '{"text":"prefers e-mail"}', 940485164);
PRAGMA application_id = 1382966383;
PRAGMA user_version = 4;
