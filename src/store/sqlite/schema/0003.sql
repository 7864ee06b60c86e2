-- What asking models took, by day (such as 2026-03-02) where the business is. Cost in billionths of a unit of money.
CREATE TABLE conversation_spending (
    conversation  INTEGER NOT NULL REFERENCES conversation (key),
    day           TEXT NOT NULL,
    calls         INTEGER NOT NULL,
    untold        INTEGER NOT NULL,               -- calls whose server told no tokens
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost          INTEGER NOT NULL,
    PRIMARY KEY (conversation, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX conversation_spending_day ON conversation_spending (day);

CREATE TABLE assistant_spending (
    assistant     TEXT NOT NULL,
    day           TEXT NOT NULL,
    calls         INTEGER NOT NULL,
    untold        INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost          INTEGER NOT NULL,
    PRIMARY KEY (assistant, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX assistant_spending_day ON assistant_spending (day);
