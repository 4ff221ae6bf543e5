-- Rows that a foreign key's cascade changes are not in the log (T22): the log keeps them, the table
-- does not. `replicator check` names such a key.
ALTER TABLE Room DROP FOREIGN KEY Room_ibfk_1;
ALTER TABLE Room ADD FOREIGN KEY (roomTypeId) REFERENCES RoomType (id) ON DELETE CASCADE;
INSERT INTO RoomType VALUES (1, 'a'), (2, 'b');
INSERT INTO Room VALUES (1, 1, 'x'), (2, 2, 'y');
DELETE FROM RoomType WHERE id = 1;
