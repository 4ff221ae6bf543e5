-- A statement as text on a table of others, whose trigger writes into one of ours: nothing in the log
-- names ours (docs/traps.md, T10).
CREATE TABLE mine (id INT PRIMARY KEY);
CREATE TRIGGER writing AFTER INSERT ON mine FOR EACH ROW
  INSERT INTO RoomType VALUES (NEW.id, 'by the trigger');
INSERT INTO mine VALUES (1);
SET SESSION binlog_format = 'STATEMENT';
INSERT INTO mine VALUES (2);
