-- What an operator asks of this destination's ship. One row.
CREATE TABLE orders (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  paused_at  TEXT,                                -- NULL: not paused
  paused_by  TEXT    NOT NULL DEFAULT '',
  paused_why TEXT    NOT NULL DEFAULT '',
  role_wanted_until REAL NOT NULL DEFAULT 0       -- Unix seconds; till then ship gives its role up
);
INSERT INTO orders (id) VALUES (1);

-- What operators did here: for good, in order.
CREATE TABLE operation (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  at      TEXT    NOT NULL,
  who     TEXT    NOT NULL,                       -- the user at the station
  command TEXT    NOT NULL,                       -- parked drop, rewind, map set, …
  what    TEXT    NOT NULL,                       -- to what, a sentence
  why     TEXT    NOT NULL,                       -- the operator's own words, '' where none
  rows    INTEGER NOT NULL
);

-- Parked rows that an operator gave up: as they were parked, for good.
CREATE TABLE dropped (
  seq       INTEGER NOT NULL,
  row_index INTEGER NOT NULL,
  table_name TEXT   NOT NULL,
  op        TEXT    NOT NULL,
  key       TEXT    NOT NULL,
  lane      TEXT    NOT NULL,
  row       TEXT    NOT NULL,
  kind      TEXT    NOT NULL,
  reason    TEXT    NOT NULL,
  detail    TEXT    NOT NULL,
  committed_at TEXT NOT NULL,
  parked_at TEXT    NOT NULL,
  operation INTEGER NOT NULL REFERENCES operation (id),
  PRIMARY KEY (seq, row_index, operation)
) WITHOUT ROWID;

-- Rows behind the cursor that are sent again before the flow goes on. Each is the latest version of
-- its key up to the cursor, so nothing older overwrites anything newer.
CREATE TABLE resend (
  seq       INTEGER PRIMARY KEY,                  -- the entry in outbox.db; it does not expire now
  rows      TEXT    NOT NULL,                     -- JSON array of places in it, in order
  row_count INTEGER NOT NULL
);

-- The station's id was given to the mapped row by this entry of outbox.db (reference.born), or that
-- of a row in its natural key; 0: it was nobody else's before.
ALTER TABLE mapping ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
