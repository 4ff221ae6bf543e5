-- ALTER IGNORE removes rows with equal keys, without row events: it stops.
INSERT INTO NodeState (id, seq_num) VALUES (1, 7), (2, 7);
ALTER IGNORE TABLE NodeState ADD UNIQUE (seq_num);
INSERT INTO RoomType VALUES (3, 'c');
