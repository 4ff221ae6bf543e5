-- binlog_row_metadata = MINIMAL: signedness is in the log, names are not.
ALTER TABLE RoomType ADD a TINYINT UNSIGNED, ADD b INT UNSIGNED, ADD c BIGINT UNSIGNED,
  ADD d BINARY(4), ADD e ENUM('x', 'y'), ADD f TEXT CHARACTER SET latin1;
-- capture from here
INSERT INTO RoomType VALUES (1, 'é', 255, 4294967295, 18446744073709551615, 'a', 'y', 'é');
UPDATE RoomType SET c = 9223372036854775808;
DELETE FROM RoomType;
