-- Zero and partial dates are passed on; the library gives None.
SET sql_mode = 'ALLOW_INVALID_DATES';
ALTER TABLE RoomType ADD a DATE, ADD b DATETIME, ADD c DATETIME(6), ADD d TIMESTAMP NULL,
  ADD e TIMESTAMP(3) NULL;
INSERT INTO RoomType VALUES
  (1, 'zero', '0000-00-00', '0000-00-00', '0000-00-00', '0000-00-00', '0000-00-00'),
  (2, 'no month', '2026-00-00', '2026-00-00 01:02:03', '2026-00-00 01:02:03.000004', NULL, NULL),
  (3, 'no day', '2026-02-00', '2026-02-00', '2026-02-00', NULL, NULL);
UPDATE RoomType SET b = '0000-00-00 00:00:01' WHERE id = 1;
