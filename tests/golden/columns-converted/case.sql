-- A table's texts in another character set: each row as it was written.
INSERT INTO RoomType VALUES (1, 'Küche');
ALTER TABLE RoomType CONVERT TO CHARACTER SET latin1;
INSERT INTO RoomType VALUES (2, 'Dachböden');
ALTER TABLE RoomType CONVERT TO CHARACTER SET utf16;
UPDATE RoomType SET name = CONCAT(name, ' €') ORDER BY id;
