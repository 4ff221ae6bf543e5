-- Where the outbox is filled from a stream: the stream's seq up to which it has been.
ALTER TABLE capture ADD COLUMN fed_to INTEGER NOT NULL DEFAULT 0;
