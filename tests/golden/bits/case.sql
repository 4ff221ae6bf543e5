-- BIT is a number.
ALTER TABLE RoomType ADD a BIT(1), ADD b BIT(5), ADD c BIT(8), ADD d BIT(12), ADD e BIT(64);
INSERT INTO RoomType VALUES
  (1, 'ones', 1, 31, 255, 4095, 18446744073709551615),
  (2, 'zeros', 0, 0, 0, 0, 0),
  (3, 'some', b'1', b'10110', b'10000001', b'100000000001', b'1'),
  (4, 'null', NULL, NULL, NULL, NULL, NULL);
