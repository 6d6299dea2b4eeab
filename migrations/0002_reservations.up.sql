-- Confirmed reservations. A hold that is not confirmed is in Redis alone, with its time to live.

CREATE TABLE reservations (
    event_id     text        NOT NULL REFERENCES events (id),
    id           text        NOT NULL CHECK (octet_length(id) BETWEEN 1 AND 64),
    user_id      text        NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 64),
    state        text        NOT NULL CHECK (state IN ('confirmed', 'cancelled')),
    token        bigint      NOT NULL CHECK (token > 0),
    version      bigint      NOT NULL CHECK (version > 0),
    confirmed_at timestamptz,
    cancelled_at timestamptz,
    PRIMARY KEY (event_id, id),
    CONSTRAINT reservations_state_and_times CHECK (
        CASE state
            WHEN 'confirmed' THEN confirmed_at IS NOT NULL AND cancelled_at IS NULL
            ELSE cancelled_at IS NOT NULL
        END
    )
);
CREATE INDEX reservations_by_user ON reservations (user_id);

COMMENT ON TABLE  reservations              IS 'Reservations that were confirmed, and holds that were cancelled before they could be.';
COMMENT ON COLUMN reservations.event_id     IS 'Of which event.';
COMMENT ON COLUMN reservations.id           IS 'The id under which the seats were held in Redis.';
COMMENT ON COLUMN reservations.user_id      IS 'Whose it is.';
COMMENT ON COLUMN reservations.state        IS 'confirmed: its seats are sold. cancelled: they are not, and under this id never will be.';
COMMENT ON COLUMN reservations.token        IS 'The fencing token of its hold.';
COMMENT ON COLUMN reservations.version      IS 'The version of the event at which it became what it is: what Redis has of an older one is out of date.';
COMMENT ON COLUMN reservations.confirmed_at IS 'When it was confirmed, by the clock of this server; nothing for a hold that was cancelled.';
COMMENT ON COLUMN reservations.cancelled_at IS 'When it was cancelled, by the clock of this server.';

CREATE TABLE reserved_seats (
    event_id       text    NOT NULL,
    position       integer NOT NULL,
    reservation_id text    NOT NULL,
    released_at    timestamptz,
    PRIMARY KEY (event_id, reservation_id, position),
    FOREIGN KEY (event_id, position) REFERENCES seats (event_id, position),
    FOREIGN KEY (event_id, reservation_id) REFERENCES reservations (event_id, id)
);
-- The rule that everything else is for: a seat has one owner at a time, whoever asks, in whatever order, from however many programs.
CREATE UNIQUE INDEX reserved_seats_one_owner ON reserved_seats (event_id, position) WHERE released_at IS NULL;

COMMENT ON TABLE  reserved_seats                IS 'Which seats a confirmed reservation has, or had.';
COMMENT ON COLUMN reserved_seats.event_id       IS 'Of which event.';
COMMENT ON COLUMN reserved_seats.position       IS 'Which seat.';
COMMENT ON COLUMN reserved_seats.reservation_id IS 'Which reservation has it, or had it.';
COMMENT ON COLUMN reserved_seats.released_at    IS 'When it was given back, by the clock of this server; nothing while it is sold.';
COMMENT ON INDEX  reserved_seats_one_owner      IS 'A seat is confirmed for one reservation at a time.';
