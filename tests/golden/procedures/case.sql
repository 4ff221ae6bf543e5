-- Rows that a procedure writes are rows like others.
CREATE PROCEDURE fill(n INT)
  BEGIN
    WHILE n > 0 DO INSERT INTO RoomType VALUES (n, 'p'); SET n = n - 1; END WHILE; END;
CALL fill(2);
BEGIN;
CALL fill(0);
UPDATE RoomType SET name = 'q' WHERE id = 1;
COMMIT;
