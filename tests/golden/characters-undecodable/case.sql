-- So does a text with such a byte; texts without pass.
ALTER TABLE RoomType ADD a VARCHAR(20) CHARACTER SET cp1250;
INSERT INTO RoomType VALUES (1, 'good', 'žluť');
INSERT INTO RoomType VALUES (2, 'bad', X'61816C');
