-- In which turn ship sends: it begins a new one before the first request behind one whose outcome it
-- does not know. A server that knows turns stores nothing of an older one. One row.
CREATE TABLE turn (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  sender TEXT    NOT NULL,               -- 32 hexadecimal digits, random: this file's, whatever its station
  number INTEGER NOT NULL
);
INSERT INTO turn SELECT 1, lower(hex(randomblob(16))), 0;
