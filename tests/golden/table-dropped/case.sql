-- A replicated table that is dropped and made again: its rows are gone without a trace.
INSERT INTO RoomType VALUES (1, 'a');
DROP TABLE NodeState;
CREATE TABLE NodeState (
  id INT PRIMARY KEY, time DATETIME, nodeId INT, parent INT, `localtime` BIGINT, seq_num INT,
  rssi FLOAT);
INSERT INTO NodeState (id, seq_num) VALUES (1, 1);
