-- What messages that the model is not shown any more came to, in a model's words.
ALTER TABLE conversation ADD COLUMN summary TEXT;
ALTER TABLE conversation ADD COLUMN summarised_to INTEGER NOT NULL DEFAULT 0; -- the place of the newest message in it
ALTER TABLE conversation ADD COLUMN summary_expires_at INTEGER;

CREATE INDEX conversation_summary ON conversation (summary_expires_at) WHERE summary_expires_at IS NOT NULL;
