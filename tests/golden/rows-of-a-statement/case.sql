-- A statement's rows of one table are one change.
SET foreign_key_checks = 0;
INSERT INTO Reading SELECT '2026-01-01' + INTERVAL seq MINUTE, 1, 0, NULL, seq / 8 FROM seq_1_to_12;
UPDATE Reading SET value = NULL WHERE MINUTE(time) MOD 4 = 0;
DELETE FROM Reading WHERE MINUTE(time) > 6;
