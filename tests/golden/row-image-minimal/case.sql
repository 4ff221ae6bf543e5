-- A session that logs parts of rows stops capture at its first row; whole rows before it pass.
INSERT INTO RoomType VALUES (1, 'whole');
SET SESSION binlog_row_image = 'MINIMAL';
UPDATE RoomType SET name = 'part';
