-- MariaDB's prefix with settings does not hide what follows it: rows as text stop.
SET STATEMENT max_statement_time = 10 FOR INSERT INTO RoomType VALUES (1, 'row');
SET STATEMENT sql_mode = '' FOR ALTER TABLE RoomType ADD a INT;
INSERT INTO RoomType VALUES (2, 'row', 3);
SET SESSION binlog_format = 'STATEMENT';
SET STATEMENT max_statement_time = 10 FOR UPDATE RoomType SET name = 'text';
