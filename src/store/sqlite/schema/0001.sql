-- Times are milliseconds since 1970 UTC. Ids are UUIDs as 16 bytes.

CREATE TABLE conversation (
    key               INTEGER PRIMARY KEY,
    id                BLOB NOT NULL UNIQUE,
    assistant         TEXT NOT NULL,
    customer          TEXT NOT NULL,              -- the customer's key: external:…, braze:… or phone:…
    external_id       TEXT,
    braze_id          TEXT,
    phone             TEXT,
    owner             TEXT NOT NULL DEFAULT 'assistant' CHECK (owner IN ('assistant', 'pending', 'human')),
    handoff           BLOB,                       -- the handoff under way
    returns_at        INTEGER,                    -- when it ends by itself
    opted_out         INTEGER NOT NULL DEFAULT 0,
    epoch             INTEGER NOT NULL DEFAULT 0, -- grows when the ground shifts under a turn
    version           INTEGER NOT NULL DEFAULT 0, -- grows with the history
    last_seq          INTEGER NOT NULL DEFAULT 0,
    waiting_since     INTEGER,                    -- the first message that no claim has taken yet
    due_at            INTEGER,
    node              BLOB,                       -- who holds the claim
    attempts          INTEGER NOT NULL DEFAULT 0, -- claims since the last settlement
    language          TEXT,
    profile           TEXT NOT NULL DEFAULT '{}',
    opened_at         INTEGER NOT NULL,
    window_expires_at INTEGER NOT NULL,
    UNIQUE (assistant, customer)
) STRICT;

CREATE INDEX conversation_due ON conversation (due_at) WHERE due_at IS NOT NULL AND node IS NULL;
CREATE INDEX conversation_suspect ON conversation (due_at) WHERE attempts >= 2 AND due_at IS NOT NULL;
CREATE INDEX conversation_held ON conversation (node) WHERE node IS NOT NULL;
CREATE INDEX conversation_returns ON conversation (returns_at) WHERE returns_at IS NOT NULL;

CREATE TABLE message (
    conversation   INTEGER NOT NULL REFERENCES conversation (key),
    seq            INTEGER NOT NULL,
    id             BLOB NOT NULL,
    author         TEXT NOT NULL CHECK (author IN ('customer', 'assistant', 'agent', 'system')),
    text           TEXT NOT NULL,
    media          TEXT NOT NULL DEFAULT '[]',
    at             INTEGER NOT NULL,
    turn           INTEGER,                       -- the history's version that it came with; NULL while it waits
    outcome        TEXT,                          -- customers' messages alone; NULL while it waits
    rule           TEXT,
    prompt_version TEXT,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX message_id ON message (id);
CREATE INDEX message_waiting ON message (conversation, seq) WHERE turn IS NULL;

CREATE TABLE delivery (
    key                INTEGER PRIMARY KEY,       -- the order within a conversation
    id                 BLOB NOT NULL UNIQUE,
    conversation       INTEGER NOT NULL REFERENCES conversation (key),
    assistant          TEXT NOT NULL,
    lane               TEXT NOT NULL CHECK (lane IN ('braze', 'desk')),
    name               TEXT NOT NULL,             -- reply, or the name of the desk's event
    body               TEXT NOT NULL,
    priority           INTEGER NOT NULL,
    state              TEXT NOT NULL DEFAULT 'ready'
                       CHECK (state IN ('ready', 'sending', 'sent', 'dropped', 'held', 'dead')),
    node               BLOB,                      -- who holds it, ready or sending
    not_before         INTEGER NOT NULL,
    expires_at         INTEGER NOT NULL,
    attempts           INTEGER NOT NULL DEFAULT 0,
    epoch              INTEGER NOT NULL,          -- the conversation's when it was made
    turn               INTEGER NOT NULL,          -- the messages that it answers have the same
    possible_duplicate INTEGER NOT NULL DEFAULT 0,
    error              TEXT,
    created_at         INTEGER NOT NULL,
    ended_at           INTEGER
) STRICT;

CREATE INDEX delivery_ready ON delivery (lane, priority, key) WHERE state = 'ready' AND node IS NULL;
CREATE INDEX delivery_later ON delivery (lane, not_before) WHERE state = 'ready' AND node IS NULL;
CREATE INDEX delivery_open ON delivery (conversation, lane, key) WHERE state IN ('ready', 'sending');
CREATE INDEX delivery_expires ON delivery (expires_at) WHERE state = 'ready' AND node IS NULL;
CREATE INDEX delivery_dead ON delivery (key) WHERE state IN ('dead', 'held');
CREATE INDEX delivery_held ON delivery (node) WHERE node IS NOT NULL;
CREATE INDEX delivery_over ON delivery (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE handoff (
    id           BLOB PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversation (key),
    reason       TEXT NOT NULL,
    rule         TEXT,
    evidence     TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    ended_at     INTEGER,
    end_reason   TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE seen (
    digest     BLOB PRIMARY KEY,
    message    BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX seen_expires ON seen (expires_at);

-- One row that readiness probes write, to know that writing works.
CREATE TABLE probe (
    key INTEGER PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT;

CREATE TABLE quarantine (
    key       INTEGER PRIMARY KEY,
    assistant TEXT NOT NULL,
    body      BLOB NOT NULL,
    error     TEXT NOT NULL,
    at        INTEGER NOT NULL
) STRICT;

CREATE INDEX quarantine_at ON quarantine (at);
