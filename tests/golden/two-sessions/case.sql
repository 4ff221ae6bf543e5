-- Transactions of two sessions at once come whole, in the order of their commits.
-- session a
BEGIN;
INSERT INTO RoomType VALUES (1, 'a first');
-- session b
BEGIN;
INSERT INTO RoomType VALUES (2, 'b first');
INSERT INTO Deployment (id, name) VALUES (2, 'b');
-- session a
INSERT INTO Deployment (id, name) VALUES (1, 'a');
-- session b
COMMIT;
-- session a
COMMIT;
