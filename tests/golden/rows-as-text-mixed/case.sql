-- MIXED, MariaDB's default, is text too where the server thinks it safe.
INSERT INTO RoomType VALUES (1, 'row');
SET SESSION binlog_format = 'MIXED';
INSERT INTO RoomType VALUES (2, IF(UUID() IS NULL, '', 'row'));
INSERT INTO RoomType VALUES (3, 'text');
