-- What was paid for reservations.

CREATE TABLE payments (
    id             text        PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 64),
    event_id       text        NOT NULL REFERENCES events (id),
    reservation_id text        NOT NULL CHECK (octet_length(reservation_id) BETWEEN 1 AND 64),
    user_id        text        NOT NULL CHECK (octet_length(user_id) BETWEEN 1 AND 64),
    cents          bigint      NOT NULL CHECK (cents > 0),
    state          text        NOT NULL CHECK (state IN ('asked', 'paid', 'declined', 'refund_due', 'refunded')),
    receipt        text,
    answers        integer     NOT NULL DEFAULT 0 CHECK (answers >= 0),
    asked_at       timestamptz NOT NULL DEFAULT now(),
    settled_at     timestamptz,
    CONSTRAINT payments_with_money_have_a_receipt CHECK (state NOT IN ('paid', 'refund_due', 'refunded') OR receipt IS NOT NULL)
);
-- A reservation is paid once, under whatever ids that is asked.
CREATE UNIQUE INDEX payments_once ON payments (event_id, reservation_id) WHERE state = 'paid';

COMMENT ON TABLE  payments                IS 'Payments, each written before the gateway is asked, so that none is forgotten whatever becomes of who asked.';
COMMENT ON COLUMN payments.id             IS 'The operation id: the gateway is asked under it, and takes the money once.';
COMMENT ON COLUMN payments.event_id       IS 'Of which event.';
COMMENT ON COLUMN payments.reservation_id IS 'For which reservation.';
COMMENT ON COLUMN payments.user_id        IS 'Who pays, who is also the holder.';
COMMENT ON COLUMN payments.cents          IS 'How much, in hundredths.';
COMMENT ON COLUMN payments.state          IS 'asked: it is not known what the gateway says. paid, declined: it said so. refund_due: it is paid, and the seats can''t be had. refunded: it was given back.';
COMMENT ON COLUMN payments.receipt        IS 'The number that the gateway gave.';
COMMENT ON COLUMN payments.answers        IS 'How many answers of the gateway came; those after the first change nothing.';
COMMENT ON COLUMN payments.asked_at       IS 'When, by the clock of this server.';
COMMENT ON COLUMN payments.settled_at     IS 'When the gateway''s first answer was written down, by the clock of this server.';
COMMENT ON INDEX  payments_once           IS 'A reservation is paid once.';
