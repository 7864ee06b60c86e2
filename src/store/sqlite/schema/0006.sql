-- The life of a handoff: who came, and when it was said that nobody had.
ALTER TABLE handoff ADD COLUMN detail TEXT;
ALTER TABLE handoff ADD COLUMN acknowledged_at INTEGER;
ALTER TABLE handoff ADD COLUMN agent TEXT;                -- who has it, by the desk's name for him
ALTER TABLE handoff ADD COLUMN unanswered_at INTEGER;     -- when it was said that nobody had come in time

ALTER TABLE conversation ADD COLUMN ack_due_at INTEGER;   -- when it will be said
ALTER TABLE conversation ADD COLUMN warned_of INTEGER;    -- the end of the window that the desk was told of

CREATE INDEX handoff_ended ON handoff (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX conversation_unanswered ON conversation (ack_due_at) WHERE ack_due_at IS NOT NULL;
CREATE INDEX conversation_closing ON conversation (window_expires_at) WHERE owner <> 'assistant';

-- What desks have done, by the keys that they gave, so that an act that comes twice is done once.
CREATE TABLE desk_act (
    conversation INTEGER NOT NULL REFERENCES conversation (key),
    digest       BLOB NOT NULL,                           -- of the key
    request      BLOB NOT NULL,                           -- the digest of what was asked
    answer       TEXT NOT NULL,                           -- JSON
    expires_at   INTEGER NOT NULL,
    PRIMARY KEY (conversation, digest)
) STRICT, WITHOUT ROWID;

CREATE INDEX desk_act_expires ON desk_act (expires_at);
