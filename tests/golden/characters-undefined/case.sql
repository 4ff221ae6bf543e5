-- The five bytes that Windows-1252 leaves undefined are characters of MySQL's latin1; the library
-- raises UnicodeDecodeError (T12).
ALTER TABLE RoomType ADD a VARCHAR(20) CHARACTER SET latin1;
INSERT INTO RoomType VALUES (1, 'undefined', X'818D8F909D');
