-- Deletes of some rows, of all, and over two tables in one statement.
INSERT INTO RoomType VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
INSERT INTO Room VALUES (1, 1, 'x'), (2, 2, 'y'), (3, NULL, 'z');
DELETE FROM RoomType WHERE id > 3;
SET foreign_key_checks = 0;
DELETE RoomType, Room FROM RoomType JOIN Room ON Room.roomTypeId = RoomType.id;
DELETE FROM Room;
DELETE FROM RoomType WHERE id = 77;
