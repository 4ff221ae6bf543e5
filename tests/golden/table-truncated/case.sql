-- TRUNCATE is a statement without rows: it stops.
INSERT INTO NodeState (id, seq_num) VALUES (1, 1);
TRUNCATE TABLE NodeState;
INSERT INTO NodeState (id, seq_num) VALUES (2, 2);
