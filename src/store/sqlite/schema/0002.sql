-- How often running a newer message has made the assistant begin again; a reply that leaves ends the count.
ALTER TABLE conversation ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;

CREATE INDEX handoff_conversation ON handoff (conversation, requested_at);

-- What is removed when its time is over: soon where it is finished, late where an operator could still decide.
DROP INDEX delivery_over;
CREATE INDEX delivery_over ON delivery (ended_at) WHERE state IN ('sent', 'dropped');
CREATE INDEX delivery_undecided ON delivery (ended_at) WHERE state IN ('dead', 'held');

-- What operators look things up by: a customer's ids, and the states that few rows are in.
CREATE INDEX conversation_external ON conversation (external_id) WHERE external_id IS NOT NULL;
CREATE INDEX conversation_braze ON conversation (braze_id) WHERE braze_id IS NOT NULL;
CREATE INDEX conversation_phone ON conversation (
    replace(replace(replace(replace(replace(replace(phone, '+', ''), ' ', ''), '-', ''), '(', ''), ')', ''), '.', '')
) WHERE phone IS NOT NULL;
CREATE INDEX conversation_assistant ON conversation (assistant, key);
CREATE INDEX conversation_with_people ON conversation (key) WHERE owner <> 'assistant';
CREATE INDEX conversation_opted_out ON conversation (key) WHERE opted_out = 1;
CREATE INDEX delivery_conversation ON delivery (conversation, key);
CREATE INDEX delivery_assistant ON delivery (assistant, key);
CREATE INDEX delivery_unsent ON delivery (key) WHERE state IN ('ready', 'sending');
CREATE INDEX delivery_dropped ON delivery (key) WHERE state = 'dropped';
CREATE INDEX delivery_doubted ON delivery (key) WHERE possible_duplicate = 1;
CREATE INDEX delivery_events ON delivery (key) WHERE lane = 'desk';

-- Bodies get a name that no later one can have.
ALTER TABLE quarantine ADD COLUMN id BLOB;
UPDATE quarantine SET id = randomblob(16);
CREATE UNIQUE INDEX quarantine_id ON quarantine (id);

-- What operators did: ids of ours alone, never a customer's.
CREATE TABLE audit (
    key     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    role    TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject BLOB NOT NULL,                        -- the conversation, delivery, body or erasure
    detail  TEXT NOT NULL                         -- JSON
) STRICT;

CREATE INDEX audit_at ON audit (at);

CREATE TABLE erasure (
    id       BLOB PRIMARY KEY,
    at       INTEGER NOT NULL,
    receipt  TEXT NOT NULL                        -- JSON: rows by table
) STRICT, WITHOUT ROWID;

CREATE INDEX erasure_at ON erasure (at);
