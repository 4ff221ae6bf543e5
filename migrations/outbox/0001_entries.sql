-- outbox.db: what `replicator tail` captured. One steady writer: tail.

-- A change: rows of one table and one operation in one source transaction.
CREATE TABLE entry (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- total order of capture, never reused
  table_name   TEXT    NOT NULL,
  op           TEXT    NOT NULL CHECK (op IN ('insert', 'update', 'delete', 'snapshot')),
  columns      TEXT    NOT NULL,                  -- JSON array of column names
  rows         TEXT    NOT NULL,                  -- JSON array of arrays, cells in that order
  row_count    INTEGER NOT NULL,                  -- length of rows
  row_total    INTEGER NOT NULL,                  -- rows captured ever, up to and with this entry
  position     TEXT    NOT NULL,                  -- source/file:offset/gtid after its transaction
  committed_at TEXT    NOT NULL,                  -- commit at the source, ISO 8601, UTC
  captured_at  TEXT    NOT NULL                   -- commit here, ISO 8601, UTC
);

-- The latest row of each reference table by id, so that ship never asks the source.
CREATE TABLE reference (
  table_name TEXT    NOT NULL,
  id         INTEGER NOT NULL,
  row        TEXT    NOT NULL,                    -- JSON object, the station's own ids
  seq        INTEGER NOT NULL,                    -- the entry that last changed it
  deleted    INTEGER NOT NULL DEFAULT 0,          -- 1: gone at the source, kept for late entries
  PRIMARY KEY (table_name, id)
) WITHOUT ROWID;

-- Where capture stands. One row; it changes in the same transaction as the entries it follows.
CREATE TABLE capture (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  position     TEXT    NOT NULL,                  -- everything before it is in the outbox
  committed_at TEXT    NOT NULL,                  -- commit time of the last transaction read
  read_at      TEXT    NOT NULL,                  -- when the position last moved
  snapshot     TEXT,                              -- JSON {"table", "after"}; NULL: complete
  row_total    INTEGER NOT NULL DEFAULT 0         -- rows captured ever
);

-- What tail is doing, for people.
CREATE TABLE status (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  state      TEXT NOT NULL,                       -- running, waiting, paused, stopped
  detail     TEXT NOT NULL,
  since      TEXT NOT NULL,
  wait_until TEXT
);

-- A stretch of the source's log that can no longer be read.
CREATE TABLE gap (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  found_at      TEXT NOT NULL,
  last_position TEXT NOT NULL,                    -- captured up to here
  reason        TEXT NOT NULL,                    -- the source's own words
  next_position TEXT,                             -- captured again from here
  healed_at     TEXT                              -- snapshot after the gap complete
);

-- One row per captured row, cells by name.
CREATE VIEW captured_row AS
SELECT e.seq, r.key AS row_index, e.table_name, e.op, e.committed_at, e.captured_at,
       (SELECT json_group_object(c.value, json_extract(r.value, '$[' || c.key || ']'))
          FROM json_each(e.columns) AS c) AS row
  FROM entry AS e, json_each(e.rows) AS r;

CREATE VIEW reading AS
SELECT seq, row_index, op,
       json_extract(row, '$.time')       AS time,
       json_extract(row, '$.nodeId')     AS nodeId,
       json_extract(row, '$.type')       AS type,
       json_extract(row, '$.locationId') AS locationId,
       json_extract(row, '$.value')      AS value,
       committed_at, captured_at
  FROM captured_row
 WHERE table_name = 'Reading';

CREATE VIEW node_state AS
SELECT seq, row_index, op,
       json_extract(row, '$.time')      AS time,
       json_extract(row, '$.nodeId')    AS nodeId,
       json_extract(row, '$.seq_num')   AS seq_num,
       json_extract(row, '$.parent')    AS parent,
       json_extract(row, '$.localtime') AS localtime,
       json_extract(row, '$.rssi')      AS rssi,
       committed_at, captured_at
  FROM captured_row
 WHERE table_name = 'NodeState';
