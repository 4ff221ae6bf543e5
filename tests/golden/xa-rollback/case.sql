-- Its rows are in the log although they never happened: the library gives them (T21), we stop.
CREATE TABLE mine (id INT);
XA START 'others';
INSERT INTO mine VALUES (1);
XA END 'others';
XA PREPARE 'others';
XA ROLLBACK 'others';
INSERT INTO RoomType VALUES (1, 'a');
XA START 'ours';
INSERT INTO RoomType VALUES (2, 'never');
XA END 'ours';
XA PREPARE 'ours';
XA ROLLBACK 'ours';
