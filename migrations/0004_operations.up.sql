-- What was asked under which operation id, so that asking twice is as asking once.

CREATE TABLE operations (
    id          text        PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 64),
    event_id    text        NOT NULL REFERENCES events (id),
    fingerprint text        NOT NULL,
    answer      jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX operations_by_time ON operations (recorded_at);

COMMENT ON TABLE  operations             IS 'Operations that changed something, with their answers: the same operation again gets the same answer and changes nothing.';
COMMENT ON COLUMN operations.id          IS 'The operation id, chosen by whoever asks.';
COMMENT ON COLUMN operations.event_id    IS 'Of which event.';
COMMENT ON COLUMN operations.fingerprint IS 'What was asked: another request under the same id is refused.';
COMMENT ON COLUMN operations.answer      IS 'What was answered.';
COMMENT ON COLUMN operations.recorded_at IS 'When, by the clock of this server; old rows may be removed.';
