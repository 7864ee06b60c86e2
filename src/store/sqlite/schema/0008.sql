-- A while in which the assistant answers nothing but what a rule decides; the customer was told when it began.
ALTER TABLE conversation ADD COLUMN paused_until INTEGER;
ALTER TABLE conversation ADD COLUMN paused_for TEXT CHECK (paused_for IN ('rate_limited', 'loop'));

CREATE INDEX conversation_paused ON conversation (key) WHERE paused_until IS NOT NULL;
