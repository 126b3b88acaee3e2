-- What the project itself keeps.

-- name: take
-- Count one more for a key and return 0; or, when its minute is full, count nothing and return the seconds to wait.
-- `due` is when everything counted so far has been paid off, at :per_minute a minute (the leaky bucket as one time, GCRA).
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
-- Keys that nothing is due for any more count as new ones.
DELETE FROM throttles WHERE due < now();

-- name: lock_upkeep
-- Whether this process is the one that does the upkeep now.
SELECT pg_try_advisory_lock(hashtextextended('upkeep', 0));

-- name: unlock_upkeep
-- Leave the upkeep to whoever is next; so does a connection that ends.
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
-- Rather fail than let everybody wait behind us.
SELECT set_config('lock_timeout', :limit, false);

-- name: look_for_deadlocks_first
-- After this time of waiting PostgreSQL has an autovacuum give way, and of a deadlock ends the one that looked. Only a
-- superuser may change it; elsewhere it is a second, and an autovacuum of a big table can outlast a migrate.
SELECT set_config('deadlock_timeout', '200ms', false) WHERE current_setting('is_superuser')::boolean;

-- name: unlock_migrations
-- Let the next one migrate, and leave the connection as it was.
SELECT pg_advisory_unlock(hashtextextended('migrate', 0)), set_config('lock_timeout', '0', false);

-- name: claim_key
-- Take an idempotency key for this transaction. No row: another transaction has it. Else whether it is ours, or what was
-- answered before (nulls: it was committed as we looked). A key of yesterday counts as a new one.
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
-- What a key's request is answered.
UPDATE idempotency_keys SET status = :status, body = :body, pending = :pending::uuid
WHERE caller = :caller AND operation = :operation AND key = :key AND fingerprint = :fingerprint
RETURNING key;

-- name: settle_answer
-- The whole of a pending answer; the first who knows it decides.
UPDATE idempotency_keys SET body = CASE WHEN pending IS NULL THEN body ELSE :body END, pending = NULL
WHERE caller = :caller AND operation = :operation AND key = :key AND fingerprint = :fingerprint
RETURNING body;

-- name: forget_keys
-- Keys that no longer count.
DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours';
