-- An update that changes the key is a delete and an insert, in the order of its rows; one that
-- changes a stream row's natural key too.
INSERT INTO RoomType VALUES (1, 'a'), (2, 'b'), (3, 'c');
UPDATE RoomType SET id = id + 10, name = 'z' ORDER BY id;
UPDATE RoomType SET name = 'same key' WHERE id = 11;
UPDATE RoomType SET id = IF(id = 12, 22, id), name = 'mixed' ORDER BY id;
SET foreign_key_checks = 0;
INSERT INTO Reading VALUES ('2026-01-01', 1, 0, NULL, 1.5);
UPDATE Reading SET time = '2026-01-02';
UPDATE Reading SET value = 2.5;
INSERT INTO NodeState VALUES (1, '2026-01-01', 7, 1, 5, 3, -80);
UPDATE NodeState SET seq_num = 4;
UPDATE NodeState SET rssi = -81;
