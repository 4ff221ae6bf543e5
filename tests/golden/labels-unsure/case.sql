-- Without names in the log a label with ? is not certain: information_schema shows ? for what it
-- cannot show. Rows with other labels pass, one with it stops.
ALTER TABLE RoomType ADD a ENUM('sure', 'why?', '😀'), ADD b SET('sure', '?');
-- capture from here
INSERT INTO RoomType VALUES (1, 'sure', 'sure', 'sure');
INSERT INTO RoomType VALUES (2, 'unsure', '😀', 'sure');
INSERT INTO RoomType VALUES (3, 'never', 'sure', 'sure');
