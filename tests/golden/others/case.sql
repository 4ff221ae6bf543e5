-- Tables that are not replicated may hold anything, be renamed, truncated, written as text.
CREATE TABLE mine (id INT PRIMARY KEY, a TEXT COMPRESSED, b ENUM(X'81') CHARACTER SET cp1250);
INSERT INTO mine VALUES (1, REPEAT('a', 300), 1);
BEGIN;
INSERT INTO mine VALUES (2, 'b', NULL);
INSERT INTO RoomType VALUES (1, 'between');
DELETE FROM mine WHERE id = 1;
COMMIT;
SET SESSION binlog_row_image = 'MINIMAL';
UPDATE mine SET b = 1;
SET SESSION binlog_row_image = 'FULL', binlog_format = 'STATEMENT';
DELETE FROM mine;
RENAME TABLE mine TO yours;
TRUNCATE yours;
CREATE TEMPORARY TABLE RoomType (id INT);
DROP TEMPORARY TABLE RoomType;
SET SESSION binlog_format = 'ROW';
DROP TABLE yours;
UPDATE RoomType SET name = 'last';
