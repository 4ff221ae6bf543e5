-- Days that no calendar has, which ALLOW_INVALID_DATES lets in; the library raises.
SET sql_mode = 'ALLOW_INVALID_DATES';
ALTER TABLE RoomType ADD a DATE, ADD b DATETIME, ADD c DATETIME(6);
INSERT INTO RoomType VALUES (1, 'invalid', '2026-02-31', '2026-04-31', '2026-02-30');
