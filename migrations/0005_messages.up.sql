-- What has to reach Redis (the outbox), and what has come from there (processed messages).

CREATE TABLE outbox (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       text        NOT NULL REFERENCES events (id),
    reservation_id text,
    version        bigint      NOT NULL CHECK (version > 0),
    kind           text        NOT NULL CHECK (kind IN ('created', 'confirmed', 'cancelled')),
    created_at     timestamptz NOT NULL DEFAULT now(),
    due_at         timestamptz NOT NULL DEFAULT now(),
    attempts       integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_error     text,
    done_at        timestamptz,
    gave_up_at     timestamptz,
    CONSTRAINT outbox_ends_once CHECK (done_at IS NULL OR gave_up_at IS NULL),
    CONSTRAINT outbox_names_its_reservation CHECK ((kind = 'created') = (reservation_id IS NULL)),
    FOREIGN KEY (event_id, reservation_id) REFERENCES reservations (event_id, id)
);
CREATE INDEX outbox_open ON outbox (due_at, id) WHERE done_at IS NULL AND gave_up_at IS NULL;

COMMENT ON TABLE  outbox                IS 'Changes that Redis has to be told of, each written in the transaction that made the change. Whoever tells Redis marks it done.';
COMMENT ON COLUMN outbox.id             IS 'The order in which rows were written.';
COMMENT ON COLUMN outbox.event_id       IS 'Of which event.';
COMMENT ON COLUMN outbox.reservation_id IS 'Which reservation; nothing where the event was made.';
COMMENT ON COLUMN outbox.version        IS 'The version of the event that the change made. Redis may be told out of order: it keeps the newest.';
COMMENT ON COLUMN outbox.kind           IS 'What the change was.';
COMMENT ON COLUMN outbox.created_at     IS 'When it was written, by the clock of this server.';
COMMENT ON COLUMN outbox.due_at         IS 'From when on it may be tried (again), by the clock of this server.';
COMMENT ON COLUMN outbox.attempts       IS 'How often it was tried by a repair.';
COMMENT ON COLUMN outbox.last_error     IS 'What came of the last attempt that failed.';
COMMENT ON COLUMN outbox.done_at        IS 'When Redis had it.';
COMMENT ON COLUMN outbox.gave_up_at     IS 'When the last attempt that it gets had failed: somebody has to look.';

CREATE TABLE processed_messages (
    source       text        NOT NULL CHECK (octet_length(source) BETWEEN 1 AND 200),
    message_id   text        NOT NULL CHECK (octet_length(message_id) BETWEEN 1 AND 64),
    processed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, message_id)
);
CREATE INDEX processed_messages_by_time ON processed_messages (processed_at);

COMMENT ON TABLE  processed_messages              IS 'Messages whose effect is in this database, each written in the transaction that has the effect: one that comes twice is applied once.';
COMMENT ON COLUMN processed_messages.source       IS 'Where the message came from: the key of a stream.';
COMMENT ON COLUMN processed_messages.message_id   IS 'Its id there.';
COMMENT ON COLUMN processed_messages.processed_at IS 'When, by the clock of this server; old rows may be removed once their source can deliver them no more.';
