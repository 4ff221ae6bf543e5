-- Without row metadata the character sets come from the catalogue.
ALTER TABLE RoomType
  ADD a CHAR(10) CHARACTER SET utf8mb4, ADD b VARCHAR(20) CHARACTER SET latin1,
  ADD c TEXT CHARACTER SET koi8r, ADD d VARBINARY(20), ADD e ENUM('ä', 'ö') CHARACTER SET latin1,
  ADD f SET('ж', 'я');
-- capture from here
INSERT INTO RoomType VALUES (1, 'Küche', 'ü€😀', 'é€', 'Привет', X'00FF', 'ö', 'я,ж');
