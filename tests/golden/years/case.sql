-- YEAR, with the year 0 that the library takes for 1900.
ALTER TABLE RoomType ADD a YEAR;
INSERT INTO RoomType VALUES (1, 'first', 1901), (2, 'last', 2155), (3, 'zero', 0), (4, 'two', '69');
