-- What a worker needs to end what was left open, and to forget what nobody can ask for any more.

-- A message id sorts as its time does, and a range of them is a range of the primary key. The index by time was never used.
ALTER TABLE processed_messages ALTER COLUMN message_id TYPE text COLLATE "C";
DROP INDEX processed_messages_by_time;
COMMENT ON COLUMN processed_messages.processed_at IS 'When, by the clock of this server.';

ALTER TABLE stream_positions ADD COLUMN forgotten_before text NOT NULL DEFAULT '0-0' CHECK (forgotten_before ~ '^[0-9]+-[0-9]+$');
COMMENT ON COLUMN stream_positions.forgotten_before IS 'Entries before this one were applied, and there is no row of processed_messages for them any more: one that comes all the same is not applied again.';

ALTER TABLE payments DROP CONSTRAINT payments_state_check;
ALTER TABLE payments ADD CONSTRAINT payments_state_check CHECK (state IN ('asked', 'paid', 'declined', 'voided', 'refund_due', 'refunded'));
ALTER TABLE payments ADD COLUMN sale_seen_at timestamptz, ADD COLUMN swept_at timestamptz;
CREATE INDEX payments_open ON payments (coalesce(swept_at, asked_at))
    WHERE state IN ('asked', 'refund_due') OR (state = 'paid' AND sale_seen_at IS NULL);
COMMENT ON COLUMN payments.state        IS 'asked: it is not known what the gateway says. paid, declined: it said so. voided: it had not said anything, and takes nothing any more. refund_due: it is paid, and the seats can''t be had. refunded: it was given back.';
COMMENT ON COLUMN payments.sale_seen_at IS 'When somebody who looks after payments found the sale that was paid. Whoever cancels a sale that is paid has the money due back at once.';
COMMENT ON COLUMN payments.swept_at     IS 'When somebody who looks after payments has last looked at this one.';
COMMENT ON INDEX  payments_open         IS 'Payments of which it is not known that all is well.';
