-- Statements of the project itself: rate limits, upkeep, backups, migrations, idempotency keys.

-- name: take
-- Count one more request of a key and return 0; or, if the limit is reached, count nothing and return the seconds to wait.
-- `due` is when all requests counted so far have drained, at :per_minute a minute (a leaky bucket as one time: GCRA).
WITH taken AS (
    INSERT INTO throttles AS t (key, due) VALUES (:key, clock_timestamp() + interval '1 minute' / :per_minute::integer)
    ON CONFLICT (key) DO UPDATE
    SET due = greatest(t.due, clock_timestamp()) + interval '1 minute' / :per_minute::integer
    WHERE t.due + interval '1 minute' / :per_minute::integer <= clock_timestamp() + interval '1 minute'
    RETURNING t.key
)
SELECT CASE
    WHEN EXISTS (SELECT FROM taken) THEN 0
    ELSE greatest(1, (
        SELECT ceil(extract(epoch FROM t.due + interval '1 minute' / :per_minute::integer - clock_timestamp()) - 60)
        FROM throttles t
        WHERE t.key = :key
    ))
END::integer;

-- name: forget_throttles
-- Delete the keys whose requests have all drained: they count as new ones.
DELETE FROM throttles WHERE due < now();

-- name: lock_upkeep
-- Whether this process is the one that does the upkeep now.
SELECT pg_try_advisory_lock(hashtextextended('upkeep', 0));

-- name: unlock_upkeep
-- Release the upkeep's lock. The end of the connection releases it, too.
SELECT pg_advisory_unlock(hashtextextended('upkeep', 0));

-- name: list_tables
-- The tables that a backup holds.
SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname;

-- name: cut_connections
-- End every connection to a database, before it is renamed.
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :database AND pid <> pg_backend_pid();

-- name: lock_migrations
-- Wait until no other process migrates.
SELECT pg_advisory_lock(hashtextextended('migrate', 0));

-- name: limit_lock_waits
-- Fail instead of making all others wait behind us.
SELECT set_config('lock_timeout', :limit, false);

-- name: look_for_deadlocks_first
-- After waiting this long for a lock, PostgreSQL cancels an autovacuum that blocks us, and in a deadlock cancels whoever
-- detects it first: us. Only a superuser may change this time; otherwise it is one second, and an autovacuum of a big
-- table can outlast a migrate.
SELECT set_config('deadlock_timeout', '200ms', false) WHERE current_setting('is_superuser')::boolean;

-- name: unlock_migrations
-- Let the next process migrate, and reset the connection's lock_timeout.
SELECT pg_advisory_unlock(hashtextextended('migrate', 0)), set_config('lock_timeout', '0', false);

-- name: claim_key
-- Claim an idempotency key for this transaction. No row: another transaction holds it. Otherwise: whether it is ours, and
-- the earlier answer (nulls: another transaction committed it during this statement). A key expires after 24 hours.
WITH free AS MATERIALIZED (
    SELECT WHERE pg_try_advisory_xact_lock(hashtextextended(concat_ws(' ', :caller::text, :operation::text, :key::text), 0))
), claimed AS (
    INSERT INTO idempotency_keys AS k (caller, operation, key, fingerprint)
    SELECT :caller::text, :operation::text, :key::text, :fingerprint::text FROM free
    ON CONFLICT (caller, operation, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, status = NULL, body = NULL, pending = NULL, created_at = now()
    WHERE k.created_at < now() - interval '24 hours'
    RETURNING k.key
)
SELECT EXISTS (SELECT FROM claimed), k.fingerprint, k.status, k.body, k.pending,
       extract(epoch FROM now() - k.created_at)::float8
FROM free
LEFT JOIN idempotency_keys k ON k.caller = :caller::text AND k.operation = :operation::text AND k.key = :key::text;

-- name: remember_answer
-- Store the answer to a key's request.
UPDATE idempotency_keys SET status = :status, body = :body, pending = :pending::uuid
WHERE caller = :caller AND operation = :operation AND key = :key AND fingerprint = :fingerprint
RETURNING key;

-- name: settle_answer
-- Complete a pending answer; the first one to do so wins.
UPDATE idempotency_keys SET body = CASE WHEN pending IS NULL THEN body ELSE :body END, pending = NULL
WHERE caller = :caller AND operation = :operation AND key = :key AND fingerprint = :fingerprint
RETURNING body;

-- name: forget_keys
-- Delete expired keys.
DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours';
