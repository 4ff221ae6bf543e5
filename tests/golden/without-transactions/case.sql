-- A MyISAM table's rows end with a COMMIT statement, not an XID; a rollback does not undo them.
ALTER TABLE NodeState DROP FOREIGN KEY NodeState_ibfk_1;
ALTER TABLE NodeState ENGINE = MyISAM;
INSERT INTO NodeState (id, seq_num) VALUES (1, 1), (2, 2);
BEGIN;
INSERT INTO NodeState (id, seq_num) VALUES (3, 3);
INSERT INTO RoomType VALUES (1, 'gone');
ROLLBACK;
UPDATE NodeState SET rssi = -80.5 WHERE id = 1;
DELETE FROM NodeState WHERE id = 2;
