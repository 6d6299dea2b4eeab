-- Comparing Redis with this database, and what was seen of Redis when.

CREATE TABLE reconciliation_runs (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lock_token     bigint      CHECK (lock_token > 0),
    repairs        boolean     NOT NULL,
    started_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    events_checked integer     NOT NULL DEFAULT 0 CHECK (events_checked >= 0),
    outcome        text        CHECK (outcome IN ('clean', 'drift', 'repaired', 'failed')),
    CONSTRAINT reconciliation_runs_end_with_an_outcome CHECK ((finished_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT reconciliation_runs_repair_under_a_lock CHECK (NOT repairs OR lock_token IS NOT NULL)
);
-- A token stands for one holder of the lock.
CREATE UNIQUE INDEX reconciliation_runs_one_a_token ON reconciliation_runs (lock_token);

COMMENT ON TABLE  reconciliation_runs                IS 'Every comparison of Redis with this database.';
COMMENT ON COLUMN reconciliation_runs.id             IS 'The order in which they began.';
COMMENT ON COLUMN reconciliation_runs.lock_token     IS 'The fencing token of the lock that it was done under; nothing where nothing was to be repaired.';
COMMENT ON COLUMN reconciliation_runs.repairs        IS 'Whether what differs was to be repaired.';
COMMENT ON COLUMN reconciliation_runs.started_at     IS 'When it began, by the clock of this server.';
COMMENT ON COLUMN reconciliation_runs.finished_at    IS 'When it ended; nothing while it goes on, or where it was killed.';
COMMENT ON COLUMN reconciliation_runs.events_checked IS 'How many events were compared.';
COMMENT ON COLUMN reconciliation_runs.outcome        IS 'clean: nothing differed. drift: something does. repaired: nothing does any more. failed: it could not be told.';

CREATE TABLE drift_findings (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id         bigint      NOT NULL REFERENCES reconciliation_runs (id),
    event_id       text        NOT NULL,
    kind           text        NOT NULL CHECK (kind ~ '^[a-z_]+$'),
    reservation_id text,
    seat           text,
    details        jsonb       NOT NULL DEFAULT '{}',
    found_at       timestamptz NOT NULL DEFAULT now(),
    repaired_at    timestamptz
);
CREATE INDEX drift_findings_by_run ON drift_findings (run_id);

COMMENT ON TABLE  drift_findings                IS 'What a comparison found to differ.';
COMMENT ON COLUMN drift_findings.id             IS 'The order in which they were found.';
COMMENT ON COLUMN drift_findings.run_id         IS 'By which comparison.';
COMMENT ON COLUMN drift_findings.event_id       IS 'In which event; it may be one that only Redis knows.';
COMMENT ON COLUMN drift_findings.kind           IS 'What kind of difference.';
COMMENT ON COLUMN drift_findings.reservation_id IS 'In which reservation, where it is in one.';
COMMENT ON COLUMN drift_findings.seat           IS 'At which seat, where it is at one.';
COMMENT ON COLUMN drift_findings.details        IS 'What each side had.';
COMMENT ON COLUMN drift_findings.found_at       IS 'When, by the clock of this server.';
COMMENT ON COLUMN drift_findings.repaired_at    IS 'When it was repaired; nothing if it was not.';

CREATE TABLE availability_snapshots (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text        NOT NULL REFERENCES events (id),
    run_id   bigint      REFERENCES reconciliation_runs (id),
    seats    integer     NOT NULL CHECK (seats > 0),
    free     integer     NOT NULL CHECK (free >= 0),
    held     integer     NOT NULL CHECK (held >= 0),
    sold     integer     NOT NULL CHECK (sold >= 0),
    taken_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT availability_snapshots_account_for_every_seat CHECK (free + held + sold = seats)
);
CREATE INDEX availability_snapshots_by_event ON availability_snapshots (event_id, taken_at);

COMMENT ON TABLE  availability_snapshots          IS 'How many seats were free, held and sold in Redis, at times: the real-time counts themselves are in Redis.';
COMMENT ON COLUMN availability_snapshots.id       IS 'The order in which they were written.';
COMMENT ON COLUMN availability_snapshots.event_id IS 'Of which event.';
COMMENT ON COLUMN availability_snapshots.run_id   IS 'The comparison that took it, if one did.';
COMMENT ON COLUMN availability_snapshots.seats    IS 'All seats of the event.';
COMMENT ON COLUMN availability_snapshots.free     IS 'Those that could be had.';
COMMENT ON COLUMN availability_snapshots.held     IS 'Those on hold.';
COMMENT ON COLUMN availability_snapshots.sold     IS 'Those sold, by the word of Redis.';
COMMENT ON COLUMN availability_snapshots.taken_at IS 'When, by the clock of this server.';
