-- <destination>.db: what one destination has. One steady writer: that destination's ship.

-- Everything up to entry `seq`, and `row_index` rows of the entry after it, is acknowledged or
-- parked. `position` is that entry's, so that a fallen-back outbox is noticed. One row.
CREATE TABLE cursor (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  seq        INTEGER NOT NULL,
  row_index  INTEGER NOT NULL,
  position   TEXT    NOT NULL,
  row_total  INTEGER NOT NULL,                    -- rows settled ever
  updated_at TEXT    NOT NULL
);
INSERT INTO cursor VALUES (1, 0, 0, '', 0, '');

-- Local id → remote id, written before its first use.
CREATE TABLE mapping (
  table_name  TEXT    NOT NULL,
  local_id    INTEGER NOT NULL,
  remote_id   INTEGER NOT NULL,
  natural_key TEXT    NOT NULL,                   -- JSON object, the destination's ids
  matched_by  TEXT    NOT NULL,                   -- found, created, same id
  mapped_at   TEXT    NOT NULL,
  PRIMARY KEY (table_name, local_id)
) WITHOUT ROWID;
CREATE INDEX mapping_remote ON mapping (table_name, remote_id);

-- Rows taken out of the flow, in capture order. blocked: the lane waits for a mapping, the row is
-- sent when it opens. rejected: the destination will not take this row as it is. superseded: was
-- rejected, then a newer version of the same row was delivered.
CREATE TABLE parked (
  seq       INTEGER NOT NULL,
  row_index INTEGER NOT NULL,
  table_name TEXT   NOT NULL,
  op        TEXT    NOT NULL,
  key       TEXT    NOT NULL,                     -- JSON array: the natural key, local ids
  lane      TEXT    NOT NULL,
  row       TEXT    NOT NULL,                     -- JSON object, as captured
  kind      TEXT    NOT NULL CHECK (kind IN ('blocked', 'rejected', 'superseded')),
  reason    TEXT    NOT NULL,
  detail    TEXT    NOT NULL,
  committed_at TEXT NOT NULL,
  parked_at TEXT    NOT NULL,
  PRIMARY KEY (seq, row_index)
) WITHOUT ROWID;
CREATE INDEX parked_lane ON parked (lane, seq, row_index) WHERE kind = 'blocked';
CREATE INDEX parked_key ON parked (table_name, key);
CREATE INDEX parked_kind ON parked (kind, reason);

-- Lanes that are held, and when to look again.
CREATE TABLE lane (
  lane       TEXT    PRIMARY KEY,
  waits_for  TEXT    NOT NULL,                    -- "House:3"
  detail     TEXT    NOT NULL,
  blocked_at TEXT    NOT NULL,
  next_try   REAL    NOT NULL,                    -- Unix seconds
  tries      INTEGER NOT NULL
) WITHOUT ROWID;

-- What was acknowledged, request by request; the last ten thousand.
CREATE TABLE receipt (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  seq       INTEGER NOT NULL,                     -- the cursor after it
  row_index INTEGER NOT NULL,
  position  TEXT    NOT NULL,
  delivered INTEGER NOT NULL,                     -- rows
  parked    INTEGER NOT NULL,                     -- rows
  requests  INTEGER NOT NULL,
  bytes     INTEGER NOT NULL,                     -- bodies as sent
  seconds   REAL    NOT NULL,
  receipt   TEXT    NOT NULL,                     -- the destination's own, where it gives one
  settled_at TEXT   NOT NULL
);

-- What ship is doing, for people.
CREATE TABLE status (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  state      TEXT NOT NULL,                       -- running, waiting, refused, stopped
  detail     TEXT NOT NULL,
  since      TEXT NOT NULL,
  wait_until TEXT
);
