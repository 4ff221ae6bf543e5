-- Geometry: four bytes of SRID and the WKB, in base64.
ALTER TABLE RoomType ADD a POINT, ADD b GEOMETRY, ADD c POLYGON;
INSERT INTO RoomType VALUES
  (1, 'point', POINT(1, 2), ST_GeomFromText('LINESTRING(0 0, 1 1)', 4326),
   ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')),
  (2, 'null', NULL, NULL, NULL);
