-- What a redefinition makes of values that are there is not in the log (docs/values.md): the log keeps
-- the old ones until the row is written again.
INSERT INTO SensorType (id, c0, name) VALUES (1, 67669.95, 'a'), (2, 67669.95, 'b');
ALTER TABLE SensorType MODIFY c0 INT;
UPDATE SensorType SET name = 'written again' WHERE id = 2;
