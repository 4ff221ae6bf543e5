-- Text in several character sets; CHAR without its padding, VARCHAR with its spaces.
ALTER TABLE RoomType
  ADD a CHAR(10) CHARACTER SET utf8mb4, ADD b VARCHAR(20) CHARACTER SET utf8mb4,
  ADD c VARCHAR(20) CHARACTER SET latin1, ADD d VARCHAR(300) CHARACTER SET cp1251,
  ADD e TEXT CHARACTER SET sjis, ADD f VARCHAR(20) CHARACTER SET utf16,
  ADD g CHAR(20) CHARACTER SET greek, ADD h MEDIUMTEXT CHARACTER SET utf8mb3,
  ADD i VARCHAR(20) CHARACTER SET gbk;
INSERT INTO RoomType VALUES
  (1, 'words', 'ü€😀  ', 'ü€😀  ', 'é€ ', 'Київ', 'ソ表', 'a€😀', 'Ωμέγα ', 'é€', '繁體简体'),
  (2, 'empty', '', '', '', '', '', '', '', '', ''),
  (3, 'odd', 'a\tb', 'a''b"\\', 'x', 'x', 'x', 'x', 'x', 'x\nx', 'x'),
  (4, 'long', REPEAT('é', 10), REPEAT('😀', 20), REPEAT('é', 20), REPEAT('ж', 200), REPEAT('表', 30),
   REPEAT('😀', 20), REPEAT('Ω', 20), REPEAT('€', 30), REPEAT('简', 20));
