-- NOBLOB leaves out only blobs that did not change: where there is none the rows are whole, and pass.
ALTER TABLE Room ADD remark TEXT;
SET SESSION binlog_row_image = 'NOBLOB';
INSERT INTO RoomType VALUES (1, 'no blob here');
UPDATE RoomType SET name = 'still whole';
INSERT INTO Room VALUES (1, 1, 'a', 'remark');
UPDATE Room SET name = 'part';
