PRAGMA application_id=1650814060;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, at TEXT NOT NULL) STRICT;
INSERT INTO migrations VALUES(1,'0001_first.sql','5fb276e8f7af9c0a','2026-11-20T19:27:33Z');
CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('epoch','0123456789abcdef');
INSERT INTO meta VALUES('last_seq',5);
INSERT INTO meta VALUES('next_revision',101);
CREATE TABLE observations (
  seq     INTEGER PRIMARY KEY,
  id      ANY NOT NULL UNIQUE,     -- a UUID as 16 bytes, any other id as text
  at      INTEGER NOT NULL,
  logged  INTEGER NOT NULL,        -- when it was sequenced
  target  TEXT NOT NULL,
  vantage TEXT NOT NULL,
  canary  TEXT NOT NULL,
  route   TEXT NOT NULL,
  source  TEXT NOT NULL,
  outcome TEXT NOT NULL,
  body    TEXT NOT NULL
) STRICT;
INSERT INTO observations VALUES(1,X'019a0b7e5c0070008000000000000001',1761134400000000000,1761134400000000000,'gpt-us','us-east','capital','','probe','ok','{"tr":"schedule","st":200,"re":true,"ti":[0,0,0,0,0.5,0.01,0,0,0.6],"to":[21,8,0,0,0],"co":0.25,"ch":[{"n":"contains"}],"ex":"Paris."}');
INSERT INTO observations VALUES(2,X'019a0b7e5c0070008000000000000002',1761134430000000000,1761134400000000000,'gpt-us','us-east','capital','','probe','bad_output','{"tr":"schedule","st":200,"re":true,"ti":[0,0,0,0,0.52,0.01,0,0,0.6],"to":[21,8,0,0,0],"co":0.25,"ch":[{"n":"contains","f":true,"d":"no Paris"}],"ex":"Paris."}');
INSERT INTO observations VALUES(4,'router-1',1761134460000000000,1761134400000000000,'claude-us','router-1','','chat','router','','{"wi":10,"cn":{"ok":3}}');
CREATE TABLE ticks (
  seq INTEGER PRIMARY KEY,
  at  INTEGER NOT NULL
) STRICT;
INSERT INTO ticks VALUES(3,1761134400000000000);
CREATE TABLE overrides (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  id      TEXT NOT NULL,
  expires INTEGER NOT NULL,
  body    TEXT NOT NULL
) STRICT;
INSERT INTO overrides VALUES(5,1761134400000000000,'o',1761138000000000000,'{"id":"o","target":"gpt-us","weight":0,"reason":"maintenance","by":"ada","created_at":"2025-10-22T12:00:00Z","expires_at":"2025-10-22T13:00:00Z"}');
CREATE TABLE series (
  id      INTEGER PRIMARY KEY,
  target  TEXT NOT NULL,
  vantage TEXT NOT NULL,
  canary  TEXT NOT NULL,
  source  TEXT NOT NULL,
  "trigger" TEXT NOT NULL,
  reused  INTEGER NOT NULL,
  UNIQUE (target, vantage, canary, source, "trigger", reused)
) STRICT;
INSERT INTO series VALUES(1,'gpt-us','us-east','capital','probe','schedule',1);
INSERT INTO series VALUES(2,'claude-us','router-1','','router','',0);
CREATE TABLE rollups (
  seconds  INTEGER NOT NULL,       -- 60 or 3600
  series   INTEGER NOT NULL REFERENCES series (id),
  start    INTEGER NOT NULL,
  counts   TEXT NOT NULL,          -- {"ok": 2}
  checks   TEXT,                   -- {"contains": [passed, failed]}
  input    INTEGER NOT NULL,       -- tokens
  output   INTEGER NOT NULL,
  cost     REAL NOT NULL,          -- USD
  sketches BLOB,
  PRIMARY KEY (seconds, series, start)
) STRICT, WITHOUT ROWID;
INSERT INTO rollups VALUES(60,1,1761134400,'{"bad_output":1,"ok":1}','{"contains":[1,1]}',42,16,0.5,X'010605024502040202050501cd030304050501ce0103030405013303');
INSERT INTO rollups VALUES(60,2,1761134460,'{"ok":3}',NULL,0,0,0.0,NULL);
INSERT INTO rollups VALUES(3600,1,1761134400,'{"bad_output":1,"ok":1}','{"contains":[1,1]}',42,16,0.5,X'010605024502040202050501cd030304050501ce0103030405013303');
INSERT INTO rollups VALUES(3600,2,1761134400,'{"ok":3}',NULL,0,0,0.0,NULL);
CREATE TABLE checkpoint (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  seq  INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
INSERT INTO checkpoint VALUES(1,4,X'7374617465');
CREATE TABLE changes (
  n      INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  target TEXT NOT NULL,
  state  TEXT NOT NULL,
  body   TEXT NOT NULL
) STRICT;
INSERT INTO changes VALUES(1,1761134400000000000,2,'gpt-us','degraded','{"at":"2025-10-22T12:00:00Z","seq":2,"target":"gpt-us","from":"healthy","to":"degraded","score":0,"weight":0,"reasons":[]}');
CREATE TABLE revisions (
  revision INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  body     TEXT NOT NULL
) STRICT;
INSERT INTO revisions VALUES(1,1761134400000000000,'{"epoch":"0123456789abcdef","revision":1,"issued_at":"2025-10-22T12:00:00Z","ttl_seconds":60,"hold_seconds":900,"routes":{"chat":{"mode":"normal","targets":[{"target":"gpt-us","tier":0,"weight":0.4,"share":1,"base_weight":1,"state":"degraded","score":0,"reasons":[]}]}}}');
CREATE TABLE incidents (
  id       TEXT PRIMARY KEY,
  state    TEXT NOT NULL,
  opened   INTEGER NOT NULL,
  resolved INTEGER NOT NULL,       -- 0 while it is open
  body     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO incidents VALUES('i1','open',1761134400000000000,0,'{"id":"i1","state":"open","severity":"degraded","targets":["gpt-us"],"title":"gpt-us answers wrong","first_evidence_at":"2025-10-22T12:00:00Z","opened_at":"2025-10-22T12:00:00Z","timeline":[]}');
CREATE TABLE deliveries (
  n        INTEGER PRIMARY KEY AUTOINCREMENT,
  id       TEXT NOT NULL UNIQUE,
  channel  TEXT NOT NULL,
  incident TEXT NOT NULL,
  created  INTEGER NOT NULL,
  next     INTEGER NOT NULL,
  done     INTEGER NOT NULL,
  body     TEXT NOT NULL
) STRICT;
INSERT INTO deliveries VALUES(1,'d1','slack','i1',1761134400000000000,1761134400000000000,0,'{"id":"d1","channel":"slack","incident":"i1","kind":"opened","payload":{"title":"x"},"created_at":"2025-10-22T12:00:00Z","next_at":"2025-10-22T12:00:00Z","attempts":0,"started":false}');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('changes',1);
INSERT INTO sqlite_sequence VALUES('deliveries',1);
CREATE INDEX observations_at ON observations (at);
CREATE INDEX observations_target ON observations (target, at);
CREATE INDEX observations_bad ON observations (outcome, at) WHERE outcome <> 'ok';
CREATE INDEX overrides_id ON overrides (id, seq);
CREATE UNIQUE INDEX changes_seq ON changes (seq, target) WHERE seq > 0;
CREATE INDEX changes_at ON changes (at);
CREATE INDEX changes_target ON changes (target, at);
CREATE INDEX revisions_at ON revisions (at);
CREATE INDEX incidents_opened ON incidents (opened, id);
CREATE INDEX deliveries_incident ON deliveries (incident, n);
CREATE INDEX deliveries_owed ON deliveries (channel, incident, n) WHERE done = 0;
CREATE INDEX deliveries_due ON deliveries (next) WHERE done = 0;
COMMIT;
