-- A prepared XA transaction with rows of ours stops at PREPARE; in one phase it is a commit.
XA START 'one';
INSERT INTO RoomType VALUES (1, 'one phase');
XA END 'one';
XA COMMIT 'one' ONE PHASE;
XA START 'two';
INSERT INTO RoomType VALUES (2, 'prepared');
XA END 'two';
XA PREPARE 'two';
XA COMMIT 'two';
