-- The same without names in the log: rows of before today's definition stop, no name is guessed.
INSERT INTO RoomType VALUES (1, 'as ever');
INSERT INTO House (id, startDate, endDate) VALUES (1, '2026-01-01', NULL);
ALTER TABLE House CHANGE startDate endDate DATETIME, CHANGE endDate startDate DATETIME;
INSERT INTO House (id, startDate, endDate) VALUES (2, '2026-01-01', NULL);
