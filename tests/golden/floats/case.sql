-- FLOAT is the shortest decimal that gives its 32 bits back; zero has no sign. What -0.001 is in a
-- DOUBLE(12,3) is what the server's own rounding makes of it.
ALTER TABLE RoomType ADD a FLOAT, ADD b DOUBLE, ADD c FLOAT(7,2), ADD d DOUBLE(12,3);
INSERT INTO RoomType VALUES
  (1, 'logger', 67669.95, 67669.95, 67669.95, 123456789.125),
  (2, 'exact', 16777217, 9007199254740993, 0.5, 0.5),
  (3, 'least', 1e-45, 5e-324, -0.01, -0.001),
  (4, 'most', 3.4028234e38, 1.7976931348623157e308, 99999.99, 999999999.999),
  (5, 'zeros', -0.0, -0.0, -0.0, 0),
  (6, 'thirds', 1/3, 1/3, 1/3, 1/3),
  (7, 'powers', 1e10, 1e22, 1e3, 1e8);
