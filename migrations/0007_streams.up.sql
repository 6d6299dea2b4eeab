-- Who drains which stream of Redis into this database, and how far each has come.

CREATE TABLE stream_workers (
    instance text        PRIMARY KEY CHECK (octet_length(instance) BETWEEN 1 AND 100),
    name     text        NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 64),
    seen_at  timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE  stream_workers          IS 'Workers that drain streams. One that was not seen for some seconds is dead, and what it had is taken by others.';
COMMENT ON COLUMN stream_workers.instance IS 'Its name and something drawn: two programs that were given one name are two instances.';
COMMENT ON COLUMN stream_workers.name     IS 'Its name: that of the consumer in the groups of the streams.';
COMMENT ON COLUMN stream_workers.seen_at  IS 'When it was last seen, by the clock of this server.';

CREATE TABLE stream_positions (
    event_id   text        PRIMARY KEY CHECK (octet_length(event_id) BETWEEN 1 AND 64),
    owner      text,
    last_id    text        NOT NULL DEFAULT '0-0' CHECK (last_id ~ '^[0-9]+-[0-9]+$'),
    applied    bigint      NOT NULL DEFAULT 0 CHECK (applied >= 0),
    refused    bigint      NOT NULL DEFAULT 0 CHECK (refused >= 0),
    dead       bigint      NOT NULL DEFAULT 0 CHECK (dead >= 0),
    failing_id text,
    tries      integer     NOT NULL DEFAULT 0 CHECK (tries >= 0),
    last_error text,
    gaps       bigint      NOT NULL DEFAULT 0 CHECK (gaps >= 0),
    gap_from   text,
    gap_to     text,
    moved_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stream_positions_failures_name_an_entry CHECK ((failing_id IS NULL) = (tries = 0)),
    CONSTRAINT stream_positions_gaps_have_ends CHECK ((gap_from IS NULL) = (gap_to IS NULL))
);

COMMENT ON TABLE  stream_positions            IS 'How far the stream of each event is in this database. Whoever applies entries has its row locked, and is its owner.';
COMMENT ON COLUMN stream_positions.event_id   IS 'Of which event; it may be one of which this database does not know yet.';
COMMENT ON COLUMN stream_positions.owner      IS 'The instance that drains it; nothing where nobody does.';
COMMENT ON COLUMN stream_positions.last_id    IS 'The last entry that was applied: all before it were, too.';
COMMENT ON COLUMN stream_positions.applied    IS 'Entries whose effect, if they have one, is in this database.';
COMMENT ON COLUMN stream_positions.refused    IS 'Sales among them that Redis had made and this database does not allow: Redis is told so by the outbox.';
COMMENT ON COLUMN stream_positions.dead       IS 'Entries that could not be applied, and are in the stream of dead letters.';
COMMENT ON COLUMN stream_positions.failing_id IS 'The entry that is being tried again; those behind it wait.';
COMMENT ON COLUMN stream_positions.tries      IS 'How often it was tried.';
COMMENT ON COLUMN stream_positions.last_error IS 'What came of the last time.';
COMMENT ON COLUMN stream_positions.gaps       IS 'How often entries were found to be missing: somebody trimmed the stream before they were applied, or a failover lost them.';
COMMENT ON COLUMN stream_positions.gap_from   IS 'The last entry that was applied before the last gap.';
COMMENT ON COLUMN stream_positions.gap_to     IS 'The first entry behind the last gap.';
COMMENT ON COLUMN stream_positions.moved_at   IS 'When this row was last changed by an entry, by the clock of this server.';
