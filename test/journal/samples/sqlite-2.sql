-- A SQLite journal of schema 2, as text: two runs, and two threads of LangGraph that stood among them as runs. Never edit: it stands for
-- the files that users have.
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
INSERT INTO head (run, run_id, agent, status, session, tenant, owner, lease_until, wake_at, started_at, unknowns, version, seq, by_id, fork, tail, identity, checksum) VALUES (1, 'run_1', 'support', 'completed', '~3:ana:ana', 'acme', NULL, NULL, NULL, 1795919725124, NULL, 1, 3, 'ana', NULL, 2, 2495972081, 3368269944);
INSERT INTO head (run, run_id, agent, status, session, tenant, owner, lease_until, wake_at, started_at, unknowns, version, seq, by_id, fork, tail, identity, checksum) VALUES (2, 'langgraph:done: 1', '@langgraph/checkpoints', 'completed', NULL, NULL, NULL, NULL, NULL, 1795919725160, NULL, 1, 1, NULL, NULL, 3, 1771698512, 712269846);
INSERT INTO head (run, run_id, agent, status, session, tenant, owner, lease_until, wake_at, started_at, unknowns, version, seq, by_id, fork, tail, identity, checksum) VALUES (3, 'run_2', 'support', 'paused', '~3:ana:ana', 'acme', NULL, NULL, 1795919785191, 1795919725189, NULL, 1, 4, 'ana', NULL, 11, 2589180514, 3370521835);
INSERT INTO head (run, run_id, agent, status, session, tenant, owner, lease_until, wake_at, started_at, unknowns, version, seq, by_id, fork, tail, identity, checksum) VALUES (4, 'langgraph:waits', '@langgraph/checkpoints', 'completed', NULL, NULL, NULL, NULL, NULL, 1795919725203, NULL, 1, 1, NULL, NULL, 15, 3633611969, 780116445);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (1, 1, 0, '[{"type":"run.started","agent":"support","fingerprint":"2a45e4a09e77e47e","input":"Hi","owner":"vm#4026531836#6ccf76ec-14aa-47a9-a67b-8f3c0282ba4c/32391@1525882/77mhkv4f","by":{"id":"ana","tenant":"acme"},"session":"ana","v":1,"seq":0,"at":1795919725124}]', 919840048);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (2, 1, 1, '[{"type":"model.responded","step":1,"model":"scripted/script","content":[{"type":"text","text":"Hello."}],"stop":"end","ms":3,"usage":{"input":15,"output":9},"usd":0,"v":1,"seq":1,"at":1795919725136},{"type":"run.settled","status":"completed","output":"Hello.","ms":3,"v":1,"seq":2,"at":1795919725136}]', 664851295);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (3, 2, 0, '[{"v":1,"seq":0,"at":1795919725160,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"checkpoint","ns":"","id":"1f1eb9d8-8220-6600-ffff-7df2b374971c","versions":{"__start__":1},"checkpoint":{"json":"{\"v\":4,\"id\":\"1f1eb9d8-8220-6600-ffff-7df2b374971c\",\"ts\":\"2026-11-29T02:35:25.152Z\",\"versions_seen\":{\"__input__\":{}}}"},"metadata":{"json":"{\"source\":\"input\",\"step\":-1,\"parents\":{}}"},"values":{"__start__":{"json":"{\"log\":[\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"]}"}}}}]', 840760796);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (4, 2, 1, '[{"v":1,"seq":1,"at":1795919725176,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-8220-6600-ffff-7df2b374971c","task":"aa2fea98-43a4-5c0e-ad27-d1b6bebf1c3c","path":"~__pregel_pull, __start__","writes":[[0,"log",{"json":"[\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"]"}],[1,"branch:to:a",{"json":"null"}]]}}]', 4092684372);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (5, 2, 2, '[{"v":1,"seq":2,"at":1795919725177,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-823d-6ac0-8000-ea5c8daf2d02","task":"6fcf8440-e809-5c72-b13d-17f3cecc7d19","path":"~__pregel_pull, a","writes":[[0,"log",{"json":"[\"a\"]"}],[1,"big",{"json":"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""}],[2,"branch:to:b",{"json":"null"}]]}}]', 826304453);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (6, 2, 3, '[{"v":1,"seq":3,"at":1795919725177,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-8253-6a50-8001-8d9eb3325bb4","task":"020e364f-0c32-5b4d-b440-941d8e77e713","path":"~__pregel_pull, b","writes":[[-3,"__interrupt__",{"json":"[{\"id\":\"9ae3a2c90f22c85b73cd24ebb56c27f9\",\"value\":\"Really?\"}]"}]]}}]', 3009892694);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (7, 2, 4, '[{"v":1,"seq":4,"at":1795919725178,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"checkpoint","ns":"","id":"1f1eb9d8-823d-6ac0-8000-ea5c8daf2d02","parent":"1f1eb9d8-8220-6600-ffff-7df2b374971c","versions":{"__start__":2,"log":2,"branch:to:a":2},"checkpoint":{"json":"{\"v\":4,\"id\":\"1f1eb9d8-823d-6ac0-8000-ea5c8daf2d02\",\"ts\":\"2026-11-29T02:35:25.165Z\",\"versions_seen\":{\"__input__\":{},\"__start__\":{\"__start__\":1}}}"},"metadata":{"json":"{\"source\":\"loop\",\"step\":0,\"parents\":{}}"},"values":{"log":{"json":"[\"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\"]"},"branch:to:a":{"json":"null"}}}}]', 167689971);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (8, 2, 5, '[{"v":1,"seq":5,"at":1795919725179,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"checkpoint","ns":"","id":"1f1eb9d8-8253-6a50-8001-8d9eb3325bb4","parent":"1f1eb9d8-823d-6ac0-8000-ea5c8daf2d02","versions":{"__start__":2,"log":3,"branch:to:a":3,"big":3,"branch:to:b":3},"checkpoint":{"json":"{\"v\":4,\"id\":\"1f1eb9d8-8253-6a50-8001-8d9eb3325bb4\",\"ts\":\"2026-11-29T02:35:25.173Z\",\"versions_seen\":{\"__input__\":{},\"__start__\":{\"__start__\":1},\"a\":{\"branch:to:a\":2}}}"},"metadata":{"json":"{\"source\":\"loop\",\"step\":1,\"parents\":{}}"},"values":{"log":{"from":4,"head":303,"tail":0,"json":",\"a\"]"},"big":{"json":"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""},"branch:to:b":{"json":"null"}}}}]', 499924794);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (9, 3, 0, '[{"type":"run.started","agent":"support","fingerprint":"8d58460ef312252c","input":"Pay","owner":"vm#4026531836#6ccf76ec-14aa-47a9-a67b-8f3c0282ba4c/32391@1525882/77mhkv4f","by":{"id":"ana","tenant":"acme"},"session":"ana","previous":"run_1","previousSeq":3,"depth":1,"v":1,"seq":0,"at":1795919725189}]', 3678597957);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (10, 3, 1, '[{"type":"model.responded","step":1,"model":"scripted/script","content":[{"type":"toolCall","id":"p1","name":"pay","input":{}}],"stop":"tools","ms":0,"usage":{"input":45,"output":14},"usd":0,"v":1,"seq":1,"at":1795919725191},{"type":"approval.requested","id":"ap_4db7b990671e1a5e86e4","call":"1.0","kind":"tool","tool":"pay","digest":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","allow":["approve","edit","reject"],"hash":"3778f2a84cf76bc3","reason":"money","expiresAt":1795919785191,"v":1,"seq":2,"at":1795919725191}]', 2380483152);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (11, 3, 3, '[{"type":"run.settled","ms":3,"status":"paused","v":1,"seq":3,"at":1795919725193}]', 2685471178);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (12, 2, 6, '[{"v":1,"seq":6,"at":1795919725196,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-8253-6a50-8001-8d9eb3325bb4","task":"00000000-0000-0000-0000-000000000000","writes":[[-4,"__resume__",{"json":"\"yes\""}]]}}]', 3305521712);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (13, 2, 7, '[{"v":1,"seq":7,"at":1795919725201,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-8253-6a50-8001-8d9eb3325bb4","task":"020e364f-0c32-5b4d-b440-941d8e77e713","path":"~__pregel_pull, b","writes":[[-4,"__resume__",{"json":"[\"yes\"]"}],[1,"log",{"json":"[\"b\",\"answer \\\"yes\\\"\"]"}]]}}]', 3257112950);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (14, 2, 8, '[{"v":1,"seq":8,"at":1795919725202,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"checkpoint","ns":"","id":"1f1eb9d8-8298-6010-8002-d9062bc98ca8","parent":"1f1eb9d8-8253-6a50-8001-8d9eb3325bb4","versions":{"__start__":2,"log":4,"branch:to:a":3,"big":3,"branch:to:b":4},"checkpoint":{"json":"{\"v\":4,\"id\":\"1f1eb9d8-8298-6010-8002-d9062bc98ca8\",\"ts\":\"2026-11-29T02:35:25.201Z\",\"versions_seen\":{\"__input__\":{},\"__start__\":{\"__start__\":1},\"a\":{\"branch:to:a\":2},\"__interrupt__\":{\"log\":3,\"big\":3,\"__start__\":2,\"branch:to:a\":3,\"branch:to:b\":3},\"b\":{\"branch:to:b\":3}}}"},"metadata":{"json":"{\"source\":\"loop\",\"step\":2,\"parents\":{}}"},"values":{"log":{"from":5,"head":307,"tail":0,"json":",\"b\",\"answer \\\"yes\\\"\"]"}}}}]', 260747519);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (15, 4, 0, '[{"v":1,"seq":0,"at":1795919725203,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"checkpoint","ns":"","id":"1f1eb9d8-829a-6721-ffff-bad317a3ed94","versions":{"__start__":1},"checkpoint":{"json":"{\"v\":4,\"id\":\"1f1eb9d8-829a-6721-ffff-bad317a3ed94\",\"ts\":\"2026-11-29T02:35:25.202Z\",\"versions_seen\":{\"__input__\":{}}}"},"metadata":{"json":"{\"source\":\"input\",\"step\":-1,\"parents\":{}}"},"values":{"__start__":{"json":"{\"log\":[]}"}}}}]', 1446883084);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (16, 4, 1, '[{"v":1,"seq":1,"at":1795919725213,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-829a-6721-ffff-bad317a3ed94","task":"eda5188a-19e8-5c9f-8f0e-7ebb700ab68f","path":"~__pregel_pull, __start__","writes":[[0,"log",{"json":"[]"}],[1,"branch:to:a",{"json":"null"}]]}}]', 1623750497);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (17, 4, 2, '[{"v":1,"seq":2,"at":1795919725213,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-829c-6e30-8000-aecd5e1fb713","task":"56d222b5-91ec-5a27-8e82-a9a840e29b4c","path":"~__pregel_pull, a","writes":[[0,"log",{"json":"[\"a\"]"}],[1,"big",{"json":"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""}],[2,"branch:to:b",{"json":"null"}]]}}]', 4163225579);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (18, 4, 3, '[{"v":1,"seq":3,"at":1795919725213,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"writes","ns":"","id":"1f1eb9d8-82a9-6180-8001-ea9808fb2a3f","task":"4c461940-a24f-5fd0-94f1-bde0e7675534","path":"~__pregel_pull, b","writes":[[-3,"__interrupt__",{"json":"[{\"id\":\"e3729c8b733d1675a4d1893de22ec49d\",\"value\":\"Really?\"}]"}]]}}]', 3506384456);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (19, 4, 4, '[{"v":1,"seq":4,"at":1795919725213,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"checkpoint","ns":"","id":"1f1eb9d8-829c-6e30-8000-aecd5e1fb713","parent":"1f1eb9d8-829a-6721-ffff-bad317a3ed94","versions":{"__start__":2,"log":2,"branch:to:a":2},"checkpoint":{"json":"{\"v\":4,\"id\":\"1f1eb9d8-829c-6e30-8000-aecd5e1fb713\",\"ts\":\"2026-11-29T02:35:25.203Z\",\"versions_seen\":{\"__input__\":{},\"__start__\":{\"__start__\":1}}}"},"metadata":{"json":"{\"source\":\"loop\",\"step\":0,\"parents\":{}}"},"values":{"log":{"json":"[]"},"branch:to:a":{"json":"null"}}}}]', 2204265910);
INSERT INTO entry (id, run, seq, body, checksum) VALUES (20, 4, 5, '[{"v":1,"seq":5,"at":1795919725214,"type":"checkpoint.put","saver":"langgraph","data":{"kind":"checkpoint","ns":"","id":"1f1eb9d8-82a9-6180-8001-ea9808fb2a3f","parent":"1f1eb9d8-829c-6e30-8000-aecd5e1fb713","versions":{"__start__":2,"log":3,"branch:to:a":3,"big":3,"branch:to:b":3},"checkpoint":{"json":"{\"v\":4,\"id\":\"1f1eb9d8-82a9-6180-8001-ea9808fb2a3f\",\"ts\":\"2026-11-29T02:35:25.209Z\",\"versions_seen\":{\"__input__\":{},\"__start__\":{\"__start__\":1},\"a\":{\"branch:to:a\":2}}}"},"metadata":{"json":"{\"source\":\"loop\",\"step\":1,\"parents\":{}}"},"values":{"log":{"json":"[\"a\"]"},"big":{"json":"\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""},"branch:to:b":{"json":"null"}}}}]', 1009487793);
INSERT INTO extent (run, seq, id) VALUES (1, 0, 1);
INSERT INTO extent (run, seq, id) VALUES (2, 0, 3);
INSERT INTO extent (run, seq, id) VALUES (2, 6, 12);
INSERT INTO extent (run, seq, id) VALUES (3, 0, 9);
INSERT INTO extent (run, seq, id) VALUES (4, 0, 15);
PRAGMA application_id = 1382966383;
PRAGMA user_version = 2;
