-- log_bin_compress: the events themselves are packed. The library skips them silently (T6).
INSERT INTO RoomType SELECT seq, REPEAT('é', 20) FROM seq_1_to_3;
UPDATE RoomType SET name = REPEAT('x', 20) WHERE id > 1;
DELETE FROM RoomType WHERE id < 3;
