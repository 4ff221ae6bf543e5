-- The entry whose insert gave the id to another row than had it before; 0: none did. What was
-- captured earlier means the former row.
ALTER TABLE reference ADD COLUMN born INTEGER NOT NULL DEFAULT 0;
CREATE INDEX reference_born ON reference (born) WHERE born > 0;
