-- MariaDB's JSON is text, as it was written.
ALTER TABLE RoomType ADD a JSON;
INSERT INTO RoomType VALUES
  (1, 'object', '{"b": 1, "a" : [1.50, null, true, "é😀\\u00e9"]}'),
  (2, 'scalar', '3'), (3, 'empty', '{}'), (4, 'null', 'null'), (5, 'no value', NULL);
UPDATE RoomType SET a = JSON_SET(a, '$.b', 2) WHERE id = 1;
