-- BINARY(n) in its full length, trailing zeros kept (the library loses them); BLOBs of all sizes.
ALTER TABLE RoomType
  ADD a BINARY(5), ADD b VARBINARY(300), ADD c TINYBLOB, ADD d BLOB, ADD e MEDIUMBLOB,
  ADD f LONGBLOB;
INSERT INTO RoomType VALUES
  (1, 'zeros inside', X'6100620000', X'00FF00', X'00', X'FF00', X'00FF', X'000000'),
  (2, 'empty', '', '', '', '', '', ''),
  (3, 'text', 'abcde', 'é', 'x', 'x', 'x', 'x'),
  (4, 'zeros', X'0000000000', REPEAT(X'00', 3), X'0000', X'00', X'00', X'00');
