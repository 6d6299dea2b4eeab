-- What happened, in order: written once, never changed.

CREATE TABLE history (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id       text        NOT NULL REFERENCES events (id),
    version        bigint      NOT NULL CHECK (version > 0),
    kind           text        NOT NULL CHECK (kind IN ('created', 'confirmed', 'cancelled')),
    reservation_id text,
    user_id        text,
    seats          text[]      NOT NULL DEFAULT '{}',
    token          bigint,
    operation_id   text        NOT NULL,
    happened_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT history_one_entry_a_version UNIQUE (event_id, version),
    CONSTRAINT history_names_its_reservation CHECK (
        (kind = 'created') = (reservation_id IS NULL) AND (reservation_id IS NULL) = (user_id IS NULL)
    )
);
CREATE INDEX history_by_time ON history (happened_at);

CREATE FUNCTION history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'history is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER history_keeps_its_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON history
    FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();

COMMENT ON FUNCTION history_is_append_only() IS 'Refuses to change or remove what happened.';
COMMENT ON TABLE  history                IS 'Every change of an event and its reservations. Rows are added and never changed: a trigger refuses it.';
COMMENT ON COLUMN history.id             IS 'The order in which rows were written; gaps mean nothing.';
COMMENT ON COLUMN history.event_id       IS 'Of which event.';
COMMENT ON COLUMN history.version        IS 'The version that the event had afterwards: of one event, the order in which changes were committed, without a gap.';
COMMENT ON COLUMN history.kind           IS 'created: the event was made. confirmed, cancelled: a reservation was.';
COMMENT ON COLUMN history.reservation_id IS 'Which reservation; nothing where the event was made.';
COMMENT ON COLUMN history.user_id        IS 'Whose reservation.';
COMMENT ON COLUMN history.seats          IS 'The seats that were sold or given back, by their labels; none for a hold that was cancelled.';
COMMENT ON COLUMN history.token          IS 'The fencing token that it was done under.';
COMMENT ON COLUMN history.operation_id   IS 'The operation that did it.';
COMMENT ON COLUMN history.happened_at    IS 'When, by the clock of this server, at the beginning of the transaction.';
