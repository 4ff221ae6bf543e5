-- How capture went: a sample a minute, for people. Minutes are kept for 26 hours, the first of each
-- hour for 60 days.
CREATE TABLE history (
  minute        TEXT    PRIMARY KEY,     -- ISO 8601, UTC
  hourly        INTEGER NOT NULL,        -- 1: the first of its hour
  rows_captured INTEGER NOT NULL,        -- ever
  committed_at  TEXT    NOT NULL,        -- commit time of the last transaction read
  lag_seconds   REAL    NOT NULL,        -- at most so far behind the source
  bytes         INTEGER NOT NULL,        -- of the outbox, as its budget counts them
  taken_at      TEXT    NOT NULL
) WITHOUT ROWID;

-- What went wrong last, also when all is well again.
ALTER TABLE status ADD COLUMN last_error TEXT;
ALTER TABLE status ADD COLUMN last_error_at TEXT;
