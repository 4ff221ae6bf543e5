-- Rows that a trigger writes are in the log like others, in the same transaction.
CREATE TRIGGER noted AFTER INSERT ON RoomType FOR EACH ROW
  INSERT INTO Deployment (id, name) VALUES (NEW.id + 100, CONCAT('type ', NEW.name));
CREATE TRIGGER changed BEFORE UPDATE ON RoomType FOR EACH ROW SET NEW.name = UPPER(NEW.name);
INSERT INTO RoomType VALUES (1, 'a'), (2, 'b');
UPDATE RoomType SET name = 'loud' WHERE id = 1;
