-- ADD, DROP, MODIFY and RENAME COLUMN between rows: each row has the names it was written under.
INSERT INTO House (id, address, serverid) VALUES (1, 'a', 7);
ALTER TABLE House ADD COLUMN extra INT UNSIGNED FIRST;
INSERT INTO House (id, address, extra) VALUES (2, 'b', 4294967295);
ALTER TABLE House RENAME COLUMN serverid TO remote;
INSERT INTO House (id, address, remote) VALUES (3, 'c', 9);
ALTER TABLE House MODIFY remote BIGINT UNSIGNED AFTER id;
INSERT INTO House (id, address, remote) VALUES (4, 'd', 18446744073709551615);
ALTER TABLE House DROP COLUMN extra, MODIFY address TEXT CHARACTER SET latin1;
UPDATE House SET address = 'é' WHERE id = 1;
