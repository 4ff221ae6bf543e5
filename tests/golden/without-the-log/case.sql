-- What is written under sql_log_bin = 0 is not in the log either (T22).
INSERT INTO RoomType VALUES (1, 'a');
SET sql_log_bin = 0;
INSERT INTO RoomType VALUES (2, 'unseen');
SET sql_log_bin = 1;
INSERT INTO RoomType VALUES (3, 'c');
