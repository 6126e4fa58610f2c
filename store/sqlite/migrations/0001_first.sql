-- Times are Unix nanoseconds, UTC, 0 for none; the start of a rollup is in
-- seconds. A body is JSON of whatever the columns before it do not hold.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- The sequenced log is these three tables together, by seq.
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
CREATE INDEX observations_at ON observations (at);
CREATE INDEX observations_target ON observations (target, at);
CREATE INDEX observations_bad ON observations (outcome, at) WHERE outcome <> 'ok';

CREATE TABLE ticks (
  seq INTEGER PRIMARY KEY,
  at  INTEGER NOT NULL
) STRICT;

CREATE TABLE overrides (
  seq     INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  id      TEXT NOT NULL,
  expires INTEGER NOT NULL,
  body    TEXT NOT NULL
) STRICT;
CREATE INDEX overrides_id ON overrides (id, seq);

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

CREATE TABLE checkpoint (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  seq  INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;

CREATE TABLE changes (
  n      INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  target TEXT NOT NULL,
  state  TEXT NOT NULL,
  body   TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX changes_seq ON changes (seq, target) WHERE seq > 0;
CREATE INDEX changes_at ON changes (at);
CREATE INDEX changes_target ON changes (target, at);

CREATE TABLE revisions (
  revision INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  body     TEXT NOT NULL
) STRICT;
CREATE INDEX revisions_at ON revisions (at);

CREATE TABLE incidents (
  id       TEXT PRIMARY KEY,
  state    TEXT NOT NULL,
  opened   INTEGER NOT NULL,
  resolved INTEGER NOT NULL,       -- 0 while it is open
  body     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_opened ON incidents (opened, id);

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
CREATE INDEX deliveries_incident ON deliveries (incident, n);
CREATE INDEX deliveries_owed ON deliveries (channel, incident, n) WHERE done = 0;
CREATE INDEX deliveries_due ON deliveries (next) WHERE done = 0;
