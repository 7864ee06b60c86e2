-- What a conversation has come to: turns that did not help, persons that were offered, customers that were passed on.
ALTER TABLE message ADD COLUMN help TEXT CHECK (help IN ('missing', 'offered', 'word_left')); -- NULL where the turn helped
ALTER TABLE message ADD COLUMN is_repeat INTEGER NOT NULL DEFAULT 0;             -- the customer had asked the same before
ALTER TABLE message ADD COLUMN passes INTEGER NOT NULL DEFAULT 0;                -- assistants that passed it on

CREATE INDEX message_offered ON message (conversation, help, at) WHERE help IN ('offered', 'word_left');

ALTER TABLE conversation ADD COLUMN passed_to TEXT;                              -- the assistant that has the customer now
