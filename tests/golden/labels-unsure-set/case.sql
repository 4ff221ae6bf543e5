-- The same for a SET: the certain labels beside it do not help.
ALTER TABLE RoomType ADD b SET('sure', '?');
-- capture from here
INSERT INTO RoomType VALUES (1, 'sure', 'sure');
INSERT INTO RoomType VALUES (2, 'unsure', 'sure,?');
