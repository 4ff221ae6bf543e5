-- A replicated table that is renamed takes its rows with it: capture stops, also when one of the
-- same name is made at once.
INSERT INTO RoomType VALUES (1, 'a');
SET foreign_key_checks = 0;
RENAME TABLE NodeState TO OldNodeState;
CREATE TABLE NodeState LIKE OldNodeState;
INSERT INTO NodeState (id, seq_num) VALUES (1, 1);
