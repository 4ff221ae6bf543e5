-- MariaDB's COMPRESSED columns; the library cannot even read the table map (T17).
ALTER TABLE RoomType ADD a TEXT COMPRESSED, ADD b VARBINARY(300) COMPRESSED;
INSERT INTO RoomType VALUES
  (1, 'long', REPEAT('é', 200), REPEAT(X'00', 200)), (2, 'short', 'é', X'00'), (3, 'empty', '', '');
