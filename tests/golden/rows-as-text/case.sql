-- Statement format for a replicated table stops; for others it does no harm.
CREATE TABLE mine (id INT);
INSERT INTO RoomType VALUES (1, 'row');
SET SESSION binlog_format = 'STATEMENT';
INSERT INTO mine VALUES (1);
UPDATE RoomType SET name = 'text';
