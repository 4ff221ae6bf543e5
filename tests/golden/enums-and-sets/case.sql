-- ENUM and SET are their labels; 0 is '', what the server stores for a wrong one.
SET sql_mode = '';
ALTER TABLE RoomType
  ADD a ENUM('a', 'it''s', 'c,d', 'é') CHARACTER SET latin1, ADD b ENUM('x', ''),
  ADD c SET('a', 'b', 'c'), ADD d SET('1', '2', '3', '4', '5', '6', '7', '8', '9'),
  ADD e ENUM('ж', '😀');
INSERT INTO RoomType VALUES
  (1, 'first', 'a', 'x', 'a', '1', 'ж'),
  (2, 'quoted', 'it''s', '', 'c,a', '9,1', '😀'),
  (3, 'comma', 'c,d', 'x', '', '', 'ж'),
  (4, 'wrong', 'nothing', 'nothing', 'nothing', '1,2,3,4,5,6,7,8,9', 'nothing'),
  (5, 'accent', 'é', NULL, NULL, NULL, NULL);
