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
SET lock_timeout = '2s';

-- name: unlock_migrations
-- Let the next one migrate, and leave the connection as it was.
SELECT pg_advisory_unlock(hashtextextended('migrate', 0)), set_config('lock_timeout', '0', false);
