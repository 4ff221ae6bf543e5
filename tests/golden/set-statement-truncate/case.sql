-- Nor does it hide a TRUNCATE.
INSERT INTO NodeState (id) VALUES (1);
SET STATEMENT max_statement_time = 10 FOR TRUNCATE NodeState;
