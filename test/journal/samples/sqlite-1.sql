-- A SQLite journal of schema 1, as text. Never edit: it stands for the files that users have.
PRAGMA application_id = 1382966383;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE blob (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
  );
INSERT INTO "blob" VALUES('7de03cf7f52dc328892873cc66b43bf45a5556fea305178f342b1ff48f7e779d','[{"role":"user","content":[{"type":"text","text":"My order 7 arrived broken."}]},{"role":"assistant","content":[{"type":"text","text":"I am sorry to hear that."}]}]');
CREATE TABLE blob_use (
    hash TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (hash, run)
  ) WITHOUT ROWID;
INSERT INTO "blob_use" VALUES('7de03cf7f52dc328892873cc66b43bf45a5556fea305178f342b1ff48f7e779d',1);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
  );
INSERT INTO "entry" VALUES(1,1,0,'[{"type":"run.started","agent":"support","fingerprint":"a3c1","input":"Refund it, please.","owner":"host-1:4711","by":{"id":"ana","tenant":"acme","roles":["agent"]},"session":"ana","previous":"run_0","depth":3,"context":{"plan":"gold","locale":"en-GB"},"tags":{"team":"support"},"limits":{"steps":20,"costUsd":0.5},"trace":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","blobs":{"history":"7de03cf7f52dc328892873cc66b43bf45a5556fea305178f342b1ff48f7e779d"},"v":1,"seq":0,"at":1763683200250}]',1876007722);
INSERT INTO "entry" VALUES(2,1,1,'[{"type":"context.changed","instructions":"Help customers. Be brief.","memory":["Ana prefers e-mail."],"tools":[{"name":"refund","hash":"9f2c"},{"name":"ask_human","hash":"77aa"}],"v":1,"seq":1,"at":1763683200500}]',3478141688);
INSERT INTO "entry" VALUES(3,1,2,'[{"type":"attempt.failed","of":"model","step":1,"attempt":1,"code":"THROTTLING","message":"Too many requests.","retryIn":120,"fallback":"bedrock/anthropic.claude-haiku","model":"bedrock/anthropic.claude-sonnet","lost":{"tokens":900,"usd":0.002},"v":1,"seq":2,"at":1763683200750}]',1287593799);
INSERT INTO "entry" VALUES(4,1,3,'[{"type":"model.responded","step":1,"model":"bedrock/anthropic.claude-haiku","content":[{"type":"reasoning","text":"A refund is due.","vendor":{"signature":"c2ln"}},{"type":"toolCall","id":"tooluse_1","name":"refund","input":{"orderId":"7","cents":6000}},{"type":"toolCall","id":"tooluse_2","name":"lookup","input":{"orderId":"7"}}],"stop":"tools","usage":{"input":812,"output":64,"cacheRead":512,"reasoning":12},"usd":0.00113,"ms":1840,"attempts":2,"v":1,"seq":3,"at":1763683201000},{"type":"approval.requested","id":"3.0","call":"3.0","kind":"tool","tool":"refund","digest":"5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9","reason":"over 50 dollars","roles":["lead"],"allow":["approve","edit","reject"],"expiresAt":1763769600000,"v":1,"seq":4,"at":1763683201250},{"type":"call.started","call":"3.1","effect":"read","v":1,"seq":5,"at":1763683201500}]',374517238);
INSERT INTO "entry" VALUES(5,1,6,'[{"type":"call.finished","call":"3.1","ok":true,"output":{"status":"delivered","note":"żółć 漢字 🎼 \ud83c"},"attempts":1,"ms":31,"cut":120,"v":1,"seq":6,"at":1763683201750}]',1208646433);
INSERT INTO "entry" VALUES(6,1,7,'[{"type":"run.settled","status":"paused","ms":2100,"v":1,"seq":7,"at":1763683202000}]',1148030083);
INSERT INTO "entry" VALUES(7,1,8,'[{"type":"approval.decided","id":"3.0","decision":{"approval":"3.0","type":"edit","input":{"orderId":"7","cents":5500},"note":"shipping is not refunded"},"by":{"id":"ben","tenant":"acme","roles":["lead"]},"digest":"5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9","v":1,"seq":8,"at":1763683202250}]',2259639951);
INSERT INTO "entry" VALUES(8,1,9,'[{"type":"run.claimed","owner":"host-2:99","epoch":1,"fingerprint":"a3c2","by":{"id":"ana","tenant":"acme","roles":["agent"]},"limits":{"steps":30},"lost":{"tokens":1500,"usd":0.004},"trace":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","v":1,"seq":9,"at":1763683202500}]',2449615230);
INSERT INTO "entry" VALUES(9,1,10,'[{"type":"call.started","call":"3.0","effect":"once","v":1,"seq":10,"at":1763683202750}]',3369620004);
INSERT INTO "entry" VALUES(10,1,11,'[{"type":"call.finished","call":"3.0","ok":false,"error":{"code":"TIMEOUT","message":"No answer within 30000 ms.","retryable":false,"attempts":1,"outcome":"unknown"},"attempts":1,"ms":30000,"v":1,"seq":11,"at":1763683203000}]',3811589323);
INSERT INTO "entry" VALUES(12,1,12,'[{"type":"outcome.settled","call":"3.0","source":"operator","outcome":"done","note":"seen in the payment console","output":{"id":"re_1"},"by":{"id":"ben","tenant":"acme","roles":["lead"]},"v":1,"seq":12,"at":1763683203250}]',10251270);
INSERT INTO "entry" VALUES(13,1,13,'[{"type":"message.received","kind":"repair","text":"Answer in JSON.","step":2,"v":1,"seq":13,"at":1763683203500},{"type":"message.received","kind":"cancel","by":{"id":"ana","tenant":"acme","roles":["agent"]},"reason":"solved by phone","v":1,"seq":14,"at":1763683203750}]',1265753303);
INSERT INTO "entry" VALUES(14,1,15,'[{"type":"call.started","call":"3.2","effect":"idempotent","frame":"f1","v":1,"seq":15,"at":1763683204000},{"type":"call.finished","call":"3.2","ok":true,"output":"x","content":[{"type":"text","text":"x"}],"attempts":1,"ms":2,"frame":"f1","v":1,"seq":16,"at":1763683204250}]',3379041916);
INSERT INTO "entry" VALUES(15,1,17,'[{"type":"run.settled","status":"cancelled","reason":"solved by phone","ms":31000,"v":1,"seq":17,"at":1763683204500}]',52004743);
INSERT INTO "entry" VALUES(16,3,0,'[{"v":1,"seq":0,"at":1763683300000,"type":"run.started","agent":"support","fingerprint":"a","input":"x","owner":"o","session":"ana","by":{"id":"ana","tenant":"acme"}},{"v":1,"seq":1,"at":2,"type":"run.settled","status":"paused","ms":1}]',444433805);
CREATE TABLE extent (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
  ) WITHOUT ROWID;
INSERT INTO "extent" VALUES(1,0,1);
INSERT INTO "extent" VALUES(1,12,12);
INSERT INTO "extent" VALUES(3,0,16);
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
    seq INTEGER NOT NULL
  );
INSERT INTO "head" VALUES(1,'run_1','support','cancelled','ana','acme',NULL,NULL,NULL,1763683200250,1,1,18);
INSERT INTO "head" VALUES(3,'run_2','support','paused','ana','acme',NULL,NULL,1763769600000,1763683300000,NULL,1,2);
CREATE INDEX head_newest ON head (started_at);
CREATE INDEX head_open ON head (status, started_at) WHERE status IN ('running', 'paused');
CREATE INDEX head_session ON head (session, started_at) WHERE session IS NOT NULL;
CREATE UNIQUE INDEX head_session_open ON head (session, ifnull(tenant, 0)) WHERE session IS NOT NULL AND status IN ('running', 'paused');
CREATE INDEX blob_use_run ON blob_use (run);
COMMIT;
