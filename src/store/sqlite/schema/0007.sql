-- What may be claimed is marked, so that a claim reads the rows it takes and no others: the oldest open delivery of each
-- conversation in each lane is its head, and nothing behind it moves before it is over.
ALTER TABLE delivery ADD COLUMN head INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET head = 1 WHERE key IN (
    SELECT min(key) FROM delivery WHERE state IN ('ready', 'sending') GROUP BY conversation, lane
);

DROP INDEX delivery_ready;
DROP INDEX delivery_later;
CREATE INDEX delivery_ready ON delivery (lane, assistant) WHERE state = 'ready' AND node IS NULL;
CREATE INDEX delivery_due ON delivery (lane, assistant, priority, not_before, key)
    WHERE head = 1 AND state = 'ready' AND node IS NULL;
CREATE INDEX delivery_later ON delivery (lane, not_before) WHERE head = 1 AND state = 'ready' AND node IS NULL;

CREATE TRIGGER delivery_queued AFTER INSERT ON delivery BEGIN
    UPDATE delivery SET head = 1 WHERE key = NEW.key AND NOT EXISTS (
        SELECT 1 FROM delivery e WHERE e.conversation = NEW.conversation AND e.lane = NEW.lane
            AND e.state IN ('ready', 'sending') AND e.key <> NEW.key);
END;

-- One that is over hands on; one that is tried again, by itself or by an operator, takes its old place, unless another is
-- in somebody's hands just then.
CREATE TRIGGER delivery_moved AFTER UPDATE OF state ON delivery WHEN NEW.state <> 'sending' BEGIN
    UPDATE delivery SET head = 0 WHERE key = NEW.key AND head = 1 AND state NOT IN ('ready', 'sending');
    UPDATE delivery SET head = (key = (
        SELECT min(e.key) FROM delivery e WHERE e.conversation = NEW.conversation AND e.lane = NEW.lane
            AND e.state IN ('ready', 'sending')))
    WHERE conversation = NEW.conversation AND lane = NEW.lane AND state IN ('ready', 'sending')
        AND (head = 1 OR key = (
            SELECT min(e.key) FROM delivery e WHERE e.conversation = NEW.conversation AND e.lane = NEW.lane
                AND e.state IN ('ready', 'sending')))
        AND NOT EXISTS (
            SELECT 1 FROM delivery e WHERE e.conversation = NEW.conversation AND e.lane = NEW.lane
                AND e.state IN ('ready', 'sending') AND e.node IS NOT NULL);
END;

CREATE TRIGGER delivery_gone AFTER DELETE ON delivery WHEN OLD.head = 1 BEGIN
    UPDATE delivery SET head = 1 WHERE key = (
        SELECT min(e.key) FROM delivery e WHERE e.conversation = OLD.conversation AND e.lane = OLD.lane
            AND e.state IN ('ready', 'sending'));
END;

-- What of conversations is mirrored into profiles, as the configuration has it: `attributes`, and moments told as events.
CREATE TABLE mirrored (
    assistant TEXT NOT NULL,
    what      TEXT NOT NULL,
    PRIMARY KEY (assistant, what)
) STRICT, WITHOUT ROWID;

-- What is known and what was sent, as JSON.
CREATE TABLE profile_value (
    conversation INTEGER NOT NULL,
    name         TEXT NOT NULL,
    learnt       TEXT,                            -- by a model
    sent         TEXT,
    PRIMARY KEY (conversation, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE profile_event (
    key          INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    moment       TEXT NOT NULL,
    at           INTEGER                          -- when it was first seen to be sent
) STRICT;

CREATE INDEX profile_event_conversation ON profile_event (conversation);

-- Conversations whose profile may lack something: where `changes` is more than was `seen` when it was last brought up to date.
CREATE TABLE profile_due (
    conversation INTEGER PRIMARY KEY,
    assistant    TEXT NOT NULL,
    changes      INTEGER NOT NULL DEFAULT 1,
    seen         INTEGER NOT NULL DEFAULT 0,
    not_before   INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX profile_due_at ON profile_due (assistant, not_before) WHERE changes > seen;

CREATE TRIGGER conversation_changed AFTER UPDATE OF owner, opted_out, language, version ON conversation
WHEN (OLD.owner <> NEW.owner OR OLD.opted_out <> NEW.opted_out OR OLD.language IS NOT NEW.language OR OLD.version <> NEW.version)
    AND EXISTS (SELECT 1 FROM mirrored WHERE assistant = NEW.assistant AND what = 'attributes') BEGIN
    INSERT INTO profile_due (conversation, assistant) VALUES (NEW.key, NEW.assistant)
    ON CONFLICT (conversation) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER conversation_given AFTER UPDATE OF owner ON conversation WHEN OLD.owner = 'assistant' AND NEW.owner <> 'assistant' BEGIN
    INSERT INTO profile_event (conversation, moment)
    SELECT NEW.key, what FROM mirrored WHERE assistant = NEW.assistant AND what = 'handoff';
END;

CREATE TRIGGER conversation_returned AFTER UPDATE OF owner ON conversation WHEN OLD.owner <> 'assistant' AND NEW.owner = 'assistant' BEGIN
    INSERT INTO profile_event (conversation, moment)
    SELECT NEW.key, what FROM mirrored WHERE assistant = NEW.assistant AND what = 'resolved';
END;

CREATE TRIGGER conversation_opted_out AFTER UPDATE OF opted_out ON conversation WHEN NEW.opted_out > OLD.opted_out BEGIN
    INSERT INTO profile_event (conversation, moment)
    SELECT NEW.key, what FROM mirrored WHERE assistant = NEW.assistant AND what = 'opt_out';
END;

CREATE TRIGGER profile_event_due AFTER INSERT ON profile_event BEGIN
    INSERT INTO profile_due (conversation, assistant) SELECT key, assistant FROM conversation WHERE key = NEW.conversation
    ON CONFLICT (conversation) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER conversation_gone AFTER DELETE ON conversation BEGIN
    DELETE FROM profile_value WHERE conversation = OLD.key;
    DELETE FROM profile_event WHERE conversation = OLD.key;
    DELETE FROM profile_due WHERE conversation = OLD.key;
END;

-- The attributes that ride on a delivery, as JSON.
ALTER TABLE delivery ADD COLUMN riding TEXT;
