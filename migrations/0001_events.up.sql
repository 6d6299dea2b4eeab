-- Events and their seats: what can be sold.

CREATE TABLE events (
    id          text        PRIMARY KEY CHECK (id ~ '^[a-z2-9]{8}$'),
    name        text        NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 200),
    seats       integer     NOT NULL CHECK (seats BETWEEN 1 AND 50000),
    sold        integer     NOT NULL DEFAULT 0,
    version     bigint      NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at  timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT events_sold_within_capacity CHECK (sold BETWEEN 0 AND seats)
);

COMMENT ON TABLE  events             IS 'What seats are sold of. This is the truth; what Redis has of it is a cache.';
COMMENT ON COLUMN events.id          IS 'The hash tag of all keys of the event in Redis: eight small letters and digits.';
COMMENT ON COLUMN events.name        IS 'For people: one line of 1 to 200 bytes.';
COMMENT ON COLUMN events.seats       IS 'How many seats it has: each is a row of seats.';
COMMENT ON COLUMN events.sold        IS 'How many of them are confirmed now. Changed in the transaction that confirms or cancels.';
COMMENT ON COLUMN events.version     IS 'Grows by one with every change of the event or its reservations, in the order in which they are committed.';
COMMENT ON COLUMN events.created_at  IS 'When it was made, by the clock of whoever made it first.';
COMMENT ON COLUMN events.recorded_at IS 'When this row was written, by the clock of this server.';

CREATE TABLE seats (
    event_id text    NOT NULL REFERENCES events (id),
    position integer NOT NULL CHECK (position >= 0),
    label    text    NOT NULL CHECK (label ~ '^[A-Z]+[0-9]+$'),
    token    bigint  NOT NULL DEFAULT 0 CHECK (token >= 0),
    PRIMARY KEY (event_id, position),
    CONSTRAINT seats_label_once UNIQUE (event_id, label)
);

COMMENT ON TABLE  seats          IS 'Every seat of every event.';
COMMENT ON COLUMN seats.event_id IS 'Whose seat it is.';
COMMENT ON COLUMN seats.position IS 'Its place in the event, from 0: seats are given in this order.';
COMMENT ON COLUMN seats.label    IS 'What is printed on the ticket, as in A1.';
COMMENT ON COLUMN seats.token    IS 'The highest fencing token under which it was confirmed. A holder with a lower one comes from before, and is refused.';
