-- How often running a newer message has made the assistant begin again; a reply that leaves ends the count.
ALTER TABLE conversation ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;

CREATE INDEX handoff_conversation ON handoff (conversation, requested_at);
