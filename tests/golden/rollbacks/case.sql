-- What is rolled back, wholly or to a savepoint, never comes.
BEGIN;
INSERT INTO RoomType VALUES (1, 'gone');
ROLLBACK;
BEGIN;
INSERT INTO RoomType VALUES (2, 'stays');
SAVEPOINT here;
INSERT INTO RoomType VALUES (3, 'gone');
UPDATE RoomType SET name = 'gone' WHERE id = 2;
ROLLBACK TO here;
INSERT INTO RoomType VALUES (4, 'stays');
SAVEPOINT there;
RELEASE SAVEPOINT there;
COMMIT;
