-- The same without row metadata: names and signedness come from the catalogue. The library calls
-- the columns UNKNOWN_COLn and takes all of them as signed.
ALTER TABLE RoomType ADD a TINYINT UNSIGNED, ADD b INT UNSIGNED, ADD c BIGINT UNSIGNED, ADD d INT;
-- capture from here
INSERT INTO RoomType VALUES (1, 'most', 255, 4294967295, 18446744073709551615, -1);
UPDATE RoomType SET c = 9223372036854775808;
