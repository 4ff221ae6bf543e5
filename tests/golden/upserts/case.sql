-- REPLACE, INSERT … ON DUPLICATE KEY UPDATE and INSERT IGNORE give what they did to the rows.
INSERT INTO RoomType VALUES (1, 'a'), (2, 'b');
REPLACE INTO RoomType VALUES (1, 'replaced'), (3, 'new');
INSERT INTO RoomType VALUES (2, 'x'), (4, 'new') ON DUPLICATE KEY UPDATE name = CONCAT(name, '+');
INSERT IGNORE INTO RoomType VALUES (4, 'ignored'), (5, 'new');
INSERT INTO Location VALUES (1, NULL, NULL);
SET foreign_key_checks = 0;
INSERT INTO Location VALUES (2, 1, 1);
REPLACE INTO Location VALUES (9, 1, 1);
