-- What the source held in a range of a stream table's primary keys when all of it was captured.
-- A mark goes as soon as a captured row falls into its range (docs/gaps.md).
CREATE TABLE mark (
  table_name TEXT    NOT NULL,
  after      TEXT    NOT NULL,           -- JSON array: the range begins behind this key; '': table's start
  upto       TEXT    NOT NULL,           -- JSON array: the range ends with this key
  low,                                   -- first cell of after; NULL: none
  high       NOT NULL,                   -- first cell of upto
  row_count  INTEGER NOT NULL,
  digest     TEXT    NOT NULL,           -- computed by the source over the rows, in any order
  sure       INTEGER NOT NULL DEFAULT 0, -- 1: capture has passed the log's end of that moment
  made_at    TEXT    NOT NULL,
  PRIMARY KEY (table_name, upto)
);

-- Entries up to here have been held against the marks.
CREATE TABLE folded (
  id  INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL
);
INSERT INTO folded (id, seq) VALUES (1, 0);

ALTER TABLE gap ADD COLUMN kind TEXT NOT NULL DEFAULT 'unknown'; -- purged, reset, unreadable, restored, another server, skipped
ALTER TABLE gap ADD COLUMN how TEXT;                             -- automatic, by hand
ALTER TABLE gap ADD COLUMN rows_compared INTEGER NOT NULL DEFAULT 0; -- found to be captured already
ALTER TABLE gap ADD COLUMN rows_read     INTEGER NOT NULL DEFAULT 0; -- missing or different: captured
ALTER TABLE gap ADD COLUMN rows_deleted  INTEGER NOT NULL DEFAULT 0; -- gone at the source: deletes captured
ALTER TABLE gap ADD COLUMN rows_kept     INTEGER NOT NULL DEFAULT 0; -- gone at the source, kept at the destinations
ALTER TABLE gap ADD COLUMN rows_unnamed  INTEGER NOT NULL DEFAULT 0; -- gone at the source, which ones is not known; at least

-- When the source may purge what is unread. One row, about once a minute.
CREATE TABLE forecast (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  looked_at    TEXT    NOT NULL,
  unread_bytes INTEGER NOT NULL,         -- of the log, behind the position
  safe_until   TEXT,                     -- not purged before; NULL: the source does not purge by itself
  rule         TEXT    NOT NULL          -- the setting that purges, in the source's words
);
