-- The outbox. due_at says when an open message is looked at next; see sms/models.py.

-- name: claim_due
-- Lease up to :limit due messages. One whose lease ran out, or whose fate was unknown, may have been sent before: it is
-- flagged. SKIP LOCKED: several workers never claim the same row, and never wait for each other.
UPDATE sms_messages AS m
SET state = 'sending',
    possible_duplicate = m.possible_duplicate OR due.state <> 'queued',
    attempts = m.attempts + 1,
    due_at = clock_timestamp() + make_interval(secs => :lease_seconds),
    updated_at = clock_timestamp()
FROM (
    SELECT id, state FROM sms_messages
    WHERE state IN ('queued', 'sending', 'unknown') AND due_at <= clock_timestamp()
    ORDER BY due_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
) AS due
WHERE m.id = due.id
RETURNING m.id, m.phone_number, m.body, m.attempts;

-- name: record_outcomes
-- What became of many sends, in one statement, and one notice each for the requests that wait. due_in is in seconds.
-- Only a row that is still leased changes: a delivery report may have been faster.
WITH outcome AS (
    SELECT * FROM unnest(
        :ids::uuid[], :states::text[], :due_in::float8[], :provider_ids::text[], :costs::text[], :reasons::text[]
    ) AS o (id, state, due_in, provider_id, cost, reason)
), recorded AS (
    UPDATE sms_messages AS m
    SET state = outcome.state,
        due_at = clock_timestamp() + make_interval(secs => outcome.due_in),
        provider_message_id = outcome.provider_id,
        cost = outcome.cost,
        failure_reason = outcome.reason,
        updated_at = clock_timestamp()
    FROM outcome
    WHERE m.id = outcome.id AND m.state = 'sending'
    RETURNING m.id, m.state
)
SELECT count(pg_notify('sms_outcome', id || ' ' || state)) FROM recorded;

-- name: release
-- Give back messages that were claimed and not asked for: no attempt was made.
UPDATE sms_messages
SET state = 'queued', attempts = attempts - 1, due_at = clock_timestamp(), updated_at = clock_timestamp()
WHERE id = ANY(:ids::uuid[]) AND state = 'sending';

-- name: get_state
-- The state of one message.
SELECT state FROM sms_messages WHERE id = :id;

-- name: oldest_due_seconds
-- For how long the oldest open message has been due; null when none is.
SELECT extract(epoch FROM clock_timestamp() - min(due_at))::float8 FROM sms_messages
WHERE state IN ('queued', 'sending', 'unknown') AND due_at <= clock_timestamp();

-- name: count_workers
-- How many workers listen, on whatever host: each holds one connection of this name.
SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND datname = current_database();
