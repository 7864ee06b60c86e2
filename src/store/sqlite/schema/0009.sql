-- What a desk calls the ticket or conversation that it made for a handoff.
CREATE TABLE desk_link (
    handoff BLOB NOT NULL REFERENCES handoff (id),
    desk    TEXT NOT NULL,                        -- its name in the configuration
    contact TEXT,                                 -- the customer's name there
    thread  TEXT,                                 -- the ticket's or conversation's
    at      INTEGER NOT NULL,
    PRIMARY KEY (handoff, desk)
) STRICT, WITHOUT ROWID;

CREATE INDEX desk_link_thread ON desk_link (desk, thread, at) WHERE thread IS NOT NULL;
