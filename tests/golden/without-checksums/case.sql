-- A log without checksums: the end of an event is its end.
INSERT INTO RoomType VALUES (1, 'a'), (2, 'b');
ALTER TABLE RoomType ADD abcd ENUM('x', 'y');
UPDATE RoomType SET abcd = 'y' WHERE id = 2;
DELETE FROM RoomType WHERE id = 1;
