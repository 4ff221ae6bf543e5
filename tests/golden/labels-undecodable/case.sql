-- A label with a byte that is no character of its character set (SELECT shows ?) stops, used or not.
INSERT INTO RoomType VALUES (1, 'before');
ALTER TABLE RoomType ADD a ENUM('x', X'8181') CHARACTER SET cp1250;
INSERT INTO RoomType VALUES (2, 'after', 'x');
