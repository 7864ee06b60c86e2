-- What carries something that was said, and whether it tells that software is speaking.
ALTER TABLE message ADD COLUMN delivery BLOB;
ALTER TABLE message ADD COLUMN discloses INTEGER NOT NULL DEFAULT 0;

-- What guards did about the answer, beside the rule: names with a space between. Customers' messages alone.
ALTER TABLE message ADD COLUMN guards TEXT;

CREATE INDEX message_discloses ON message (conversation, seq) WHERE discloses = 1;
