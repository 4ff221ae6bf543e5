-- Rows of a partitioned table; a partition that is dropped takes its rows with it: that stops.
ALTER TABLE Room DROP FOREIGN KEY Room_ibfk_1;
ALTER TABLE RoomType PARTITION BY RANGE (id)
  (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (20));
INSERT INTO RoomType VALUES (1, 'a'), (11, 'b');
UPDATE RoomType SET id = 12 WHERE id = 1;
ALTER TABLE RoomType DROP PARTITION b;
INSERT INTO RoomType VALUES (2, 'never');
