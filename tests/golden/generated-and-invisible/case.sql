-- Generated columns, virtual and stored, and invisible ones are columns like others.
ALTER TABLE RoomType ADD a INT INVISIBLE DEFAULT 7, ADD b INT AS (id * 2) VIRTUAL,
  ADD c VARCHAR(30) AS (CONCAT(name, '!')) STORED;
INSERT INTO RoomType (id, name) VALUES (1, 'hall');
INSERT INTO RoomType (id, name, a) VALUES (2, 'attic', 8);
UPDATE RoomType SET name = 'cellar' WHERE id = 1;
DELETE FROM RoomType WHERE id = 2;
