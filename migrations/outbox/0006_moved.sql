-- Whether this station's rows are on their way to or from a stream, or there. No row: they are here,
-- or (capture.fed_to > 0) this folder is filled from a stream.
CREATE TABLE home (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  state    TEXT NOT NULL CHECK (state IN ('leaving', 'stream', 'returning', 'clearing')),
  url      TEXT NOT NULL,                -- nats://HOST/STREAM, without a login
  station  TEXT NOT NULL,                -- its name there
  move     TEXT NOT NULL,                -- the move's own number: what it wrote is known by it
  moved_at TEXT NOT NULL                 -- ISO 8601, UTC
);
