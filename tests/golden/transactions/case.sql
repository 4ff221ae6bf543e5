-- Several tables in one transaction: one unit, consecutive rows of a table and operation together.
BEGIN;
INSERT INTO Deployment VALUES (1, 'd', NULL, '2026-01-01', NULL);
INSERT INTO House (id, deploymentId, address) VALUES (1, 1, '1 High Street');
INSERT INTO RoomType VALUES (1, 'a');
INSERT INTO RoomType VALUES (2, 'b');
UPDATE RoomType SET name = 'c' WHERE id = 1;
INSERT INTO RoomType VALUES (3, 'd');
COMMIT;
START TRANSACTION;
DELETE FROM RoomType WHERE id = 3;
UPDATE House SET serverid = 5;
COMMIT;
