-- Attempts to deliver that failed, for people; the last thousand.
CREATE TABLE attempt (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  at        TEXT    NOT NULL,                     -- when it had failed
  seq       INTEGER NOT NULL,                     -- the cursor then: what was sent lay behind it
  row_index INTEGER NOT NULL,
  state     TEXT    NOT NULL,                     -- waiting (link, server), refused (credentials)
  why       TEXT    NOT NULL,
  seconds   REAL    NOT NULL                      -- that it took
);
