-- What a day's delivery cost on the link, where [destination NAME] daily_bytes sets a budget: bodies
-- and headers, both ways, also of requests that failed. Kept for 60 days.
CREATE TABLE traffic (
  day   TEXT    PRIMARY KEY,             -- ISO 8601, UTC
  bytes INTEGER NOT NULL
) WITHOUT ROWID;
