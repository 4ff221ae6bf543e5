-- NULL in every place of a row, through a table of fixed sizes and one of others.
INSERT INTO SensorType VALUES
  (1, 'a', 'b', 'c', 1, 2, 3, 4), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, 'a', NULL, 'c', NULL, 2, NULL, 4), (4, NULL, 'b', NULL, 1, NULL, 3, NULL);
SET foreign_key_checks = 0;
INSERT INTO NodeState VALUES
  (1, '2026-01-01', 1, 1, 1, 1, 1), (2, NULL, NULL, NULL, NULL, NULL, NULL),
  (3, '2026-01-01', NULL, 1, NULL, 1, NULL), (4, NULL, 1, NULL, 1, NULL, 1);
UPDATE NodeState SET time = NULL, rssi = 2 WHERE id = 1;
UPDATE SensorType SET name = NULL WHERE id = 1;
