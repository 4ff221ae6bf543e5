-- What was settled ever, counted in the transaction that settles it. One row; in a file made by an
-- older version it counts from here on.
CREATE TABLE total (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  delivered INTEGER NOT NULL,            -- rows; one that is sent again counts again
  requests  INTEGER NOT NULL,
  bytes     INTEGER NOT NULL             -- bodies as sent
);
INSERT INTO total VALUES (1, 0, 0, 0);

-- How delivery went: a sample a minute, for people. Minutes are kept for 26 hours, the first of each
-- hour for 60 days.
CREATE TABLE history (
  minute         TEXT    PRIMARY KEY,    -- ISO 8601, UTC
  hourly         INTEGER NOT NULL,       -- 1: the first of its hour
  rows_settled   INTEGER NOT NULL,       -- ever: delivered or parked; less after a rewind
  rows_delivered INTEGER NOT NULL,       -- ever
  waiting_rows   INTEGER NOT NULL,
  lag_seconds    REAL    NOT NULL,       -- age of the oldest row that waits; 0: none does
  parked_rows    INTEGER NOT NULL,       -- blocked and rejected
  requests       INTEGER NOT NULL,       -- ever
  bytes_sent     INTEGER NOT NULL,       -- ever
  taken_at       TEXT    NOT NULL
) WITHOUT ROWID;

-- What went wrong last, also when all is well again.
ALTER TABLE status ADD COLUMN last_error TEXT;
ALTER TABLE status ADD COLUMN last_error_at TEXT;
