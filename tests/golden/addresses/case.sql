-- MariaDB's UUID, INET4 and INET6 are BINARY in the log; the catalogue tells them.
ALTER TABLE RoomType ADD a UUID, ADD b INET4, ADD c INET6, ADD d BINARY(16), ADD e BINARY(4);
-- capture from here
INSERT INTO RoomType VALUES
  (1, 'some', '123e4567-e89b-12d3-a456-426655440000', '192.0.2.0', '2001:db8::1:0:0:1',
   X'0102030405060708090A0B0C0D0E0000', X'C0000200'),
  (2, 'zero', '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', '', ''),
  (3, 'mapped', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '255.255.255.255', '::ffff:1.2.3.4', 'a',
   'a');
UPDATE RoomType SET b = '10.0.0.1' WHERE id = 2;
