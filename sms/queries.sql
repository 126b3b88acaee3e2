-- The outbox. due_at says when a worker acts on a message next (sms/models.py). The conditions use now(), not
-- clock_timestamp(), which no index can serve; now() is current, since the worker commits each statement.

-- name: claim_due
-- Lease up to :free messages: first those that a request waits for, then other new ones, the newest first, then the
-- backlog, the longest due first. The backlog never gets the last :reserved places: they are kept for new orders. An unknown
-- message is flagged as a possible duplicate, since it may have arrived.
-- SKIP LOCKED: several workers never claim the same row, and never wait for each other.
WITH awaited AS (
    SELECT id FROM sms_messages
    WHERE awaited AND state = 'queued' AND attempts = 0 AND created_at > now() - make_interval(secs => :fresh_seconds)
    ORDER BY created_at DESC
    LIMIT :free
    FOR UPDATE SKIP LOCKED
), fresh AS (
    SELECT id FROM sms_messages
    WHERE NOT awaited AND state = 'queued' AND attempts = 0 AND created_at > now() - make_interval(secs => :fresh_seconds)
    ORDER BY created_at DESC
    LIMIT :free - (SELECT count(*) FROM awaited)
    FOR UPDATE SKIP LOCKED
), young AS (
    SELECT id FROM awaited UNION ALL SELECT id FROM fresh
), backlog AS (
    SELECT id FROM sms_messages
    WHERE state IN ('queued', 'unknown') AND due_at <= now()
        AND queued_at >= now() - make_interval(hours => :expire_hours) -- older ones are about to expire
    ORDER BY due_at
    LIMIT greatest(0, least(:free - :reserved, :free - (SELECT count(*) FROM young)))
    FOR UPDATE SKIP LOCKED
)
UPDATE sms_messages AS m
SET state = 'sending',
    possible_duplicate = m.possible_duplicate OR m.state = 'unknown',
    attempts = least(m.attempts + 1, 32767), -- smallint: an overflow would fail every claim
    due_at = now() + make_interval(secs => :lease_seconds),
    updated_at = now()
WHERE m.id = ANY (ARRAY(SELECT id FROM young UNION SELECT id FROM backlog))
RETURNING m.id, m.phone_number, m.body, m.attempts, m.request_id,
          EXISTS (SELECT FROM sms_opt_outs o WHERE o.phone_number = m.phone_number) AS opted_out;

-- name: record_outcomes
-- Record the outcomes of many sends in one statement: the state, the attempt, and a notification for the request that waits.
-- due_in is in seconds, null for never. asked_ago and answered_ago are ages, since the worker's clock may differ from
-- PostgreSQL's; they are null if the gateway was not asked, and then no attempt is stored.
-- A message changes only if this is its latest attempt: it may have been given up as lost meanwhile, and sent again. One
-- that is unknown for the second time is not sent a third time.
-- MATERIALIZED: otherwise PostgreSQL sees how long the arrays are and plans each batch again, which takes longer than
-- recording one SMS.
-- Messages are found by their ids. A partial index on the state still has an old entry for each message that was ever
-- being sent; COLLATE "C" is not the collation of the indexes, so PostgreSQL cannot use them.
WITH given AS MATERIALIZED (
    SELECT :ids::uuid[] AS ids, :numbers::int[] AS numbers, :states::text[] AS states, :due_in::float8[] AS due_in,
           :provider_ids::text[] AS provider_ids, :costs::text[] AS costs, :reasons::text[] AS reasons,
           :http_statuses::int[] AS http_statuses, :asked_ago::float8[] AS asked_ago,
           :answered_ago::float8[] AS answered_ago
), outcome AS (
    SELECT o.* FROM given g, unnest(
        g.ids, g.numbers, g.states, g.due_in, g.provider_ids, g.costs, g.reasons, g.http_statuses, g.asked_ago,
        g.answered_ago
    ) AS o (id, number, state, due_in, provider_id, cost, reason, http_status, asked_ago, answered_ago)
), recorded AS (
    UPDATE sms_messages AS m
    SET state = CASE WHEN m.withdrawn AND o.state = 'queued' THEN 'cancelled' ELSE o.state END,
        due_at = CASE
            WHEN m.withdrawn OR (o.state = 'unknown' AND m.possible_duplicate) THEN NULL
            ELSE now() + make_interval(secs => o.due_in)
        END,
        provider_message_id = o.provider_id,
        cost = o.cost,
        failure_reason = o.reason,
        updated_at = now()
    FROM outcome o
    WHERE m.id = ANY (ARRAY(SELECT id FROM outcome)) AND m.id = o.id AND m.attempts = o.number
        AND m.state COLLATE "C" IN ('sending', 'unknown')
    RETURNING m.id, m.state
), attempted AS (
    INSERT INTO sms_attempts AS a (message_id, number, asked_at, answered_at, http_status, state, reason,
                                   provider_message_id)
    SELECT o.id, o.number, now() - make_interval(secs => o.asked_ago), now() - make_interval(secs => o.answered_ago),
           o.http_status, o.state, o.reason, o.provider_id
    FROM outcome o
    WHERE o.asked_ago IS NOT NULL AND EXISTS (SELECT FROM sms_messages m WHERE m.id = o.id OFFSET 0) -- one by one, no join
    ON CONFLICT (message_id, number) DO UPDATE
    SET asked_at = excluded.asked_at, answered_at = excluded.answered_at, http_status = excluded.http_status,
        state = excluded.state, reason = excluded.reason,
        -- A report may have stored the id before a late worker records the attempt without one.
        provider_message_id = coalesce(nullif(excluded.provider_message_id, ''), a.provider_message_id)
)
SELECT count(pg_notify('sms_outcome', id || ' ' || state)) FROM recorded;

-- name: give_up_lost
-- Leases that expired: the worker ended, and nobody knows whether it had sent the message. The message waits for a report
-- like any unknown one (:hold_seconds null: for ever).
WITH lost AS (
    SELECT id, attempts, updated_at FROM sms_messages
    WHERE state = 'sending' AND due_at <= now()
    ORDER BY due_at
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
), held AS (
    UPDATE sms_messages AS m
    SET state = 'unknown',
        due_at = CASE WHEN NOT m.possible_duplicate AND NOT m.withdrawn
                      THEN lost.updated_at + make_interval(secs => :hold_seconds) END,
        failure_reason = 'the worker ended while it was sent',
        updated_at = now()
    FROM lost
    WHERE m.id = lost.id
)
INSERT INTO sms_attempts (message_id, number, asked_at, state, reason)
SELECT id, attempts, updated_at, 'unknown', 'the worker ended while it was sent' FROM lost
ON CONFLICT DO NOTHING;

-- name: expire
-- What is older than :expire_hours is no longer worth sending: a queued message expires, an unknown one is not sent again.
UPDATE sms_messages
SET state = CASE WHEN state = 'queued' THEN 'expired' ELSE state END,
    due_at = NULL,
    failure_reason = CASE WHEN state = 'queued' THEN 'waited too long' ELSE failure_reason END,
    updated_at = now()
WHERE id = ANY (ARRAY(
    SELECT id FROM sms_messages
    WHERE state IN ('queued', 'unknown') AND due_at IS NOT NULL AND queued_at < now() - make_interval(hours => :expire_hours)
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
));

-- name: record_report
-- Store a delivery report once, and update its message if it is known already.
WITH report AS (
    INSERT INTO sms_reports (provider_message_id, status, phone_number, failure_reason, network_code)
    VALUES (:provider_id, :status, :phone_number, :failure_reason, :network_code)
    ON CONFLICT ON CONSTRAINT sms_reports_event_key DO NOTHING
    RETURNING *
)
SELECT sms_match_report(row(report.*)::sms_reports) FROM report;

-- name: match_reports
-- Match reports that came before their message's outcome was recorded. One without a match in ten minutes never gets one.
SELECT count(sms_match_report(r)) FROM (
    SELECT * FROM sms_reports
    WHERE message_id IS NULL AND received_at > now() - interval '10 minutes'
    ORDER BY received_at DESC
    LIMIT 1000
) AS r;

-- name: opt_out
-- Store a number that wants no more SMS. What is queued for it is cancelled, what is unknown is not sent again.
WITH number AS (
    INSERT INTO sms_opt_outs (phone_number, sender_id) VALUES (:phone_number, :sender_id) ON CONFLICT DO NOTHING
)
UPDATE sms_messages
SET state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END,
    failure_reason = CASE WHEN state = 'queued' THEN 'the number has opted out' ELSE failure_reason END,
    due_at = NULL,
    updated_at = now()
WHERE phone_number = :phone_number AND state IN ('queued', 'unknown')
RETURNING id;

-- name: read_pause
-- The pause of sending through a gateway, if any: the seconds left (negative once over), the reason, needs_help.
SELECT extract(epoch FROM paused_until - now())::float8, reason, needs_help FROM sms_pauses WHERE gateway = :gateway;

-- name: write_pause
-- Pause sending through a gateway.
INSERT INTO sms_pauses (gateway, reason, needs_help, paused_until)
VALUES (:gateway, :reason, :needs_help, now() + make_interval(secs => :seconds))
ON CONFLICT (gateway) DO UPDATE
SET reason = excluded.reason, needs_help = excluded.needs_help, paused_until = excluded.paused_until;

-- name: end_pause
-- Resume sending through a gateway.
DELETE FROM sms_pauses WHERE gateway = :gateway;

-- name: end_other_pauses
-- Delete the pauses of other gateways: the settings no longer name them, so no worker would end these pauses.
DELETE FROM sms_pauses WHERE gateway <> :gateway;

-- name: list_pauses
-- The current pauses, for /readyz and `manage.py sms status`.
SELECT coalesce(json_agg(json_build_object('reason', reason, 'needs_help', needs_help, 'since', sms_time(since),
                                           'next_try', sms_time(paused_until))), '[]')
FROM sms_pauses;

-- name: clean_up
-- Delete one chunk of what is older than SMS_KEEP_DAYS: messages that are neither queued nor being sent, with their attempts
-- and reports, and reports without a message.
WITH old AS (
    DELETE FROM sms_messages WHERE id = ANY (ARRAY(
        SELECT id FROM sms_messages
        WHERE created_at < now() - make_interval(days => :days) AND state NOT IN ('queued', 'sending')
        LIMIT 1000
        FOR UPDATE SKIP LOCKED
    )) RETURNING id
), strays AS (
    DELETE FROM sms_reports WHERE id = ANY (ARRAY(
        SELECT id FROM sms_reports
        WHERE message_id IS NULL AND received_at < now() - make_interval(days => :days)
        LIMIT 1000
        FOR UPDATE SKIP LOCKED
    )) RETURNING id
)
SELECT (SELECT count(*) FROM old) + (SELECT count(*) FROM strays);

-- name: count_resendable
-- How many messages `manage.py sms resend` would queue again. A null filter matches all.
SELECT count(*) FROM sms_messages m
WHERE m.state NOT IN ('queued', 'sending') AND NOT m.withdrawn
    AND (m.order_id IS NOT NULL OR m.state <> 'cancelled') -- called off, and its order was deleted after that
    AND (:ids::uuid[] IS NULL OR m.id = ANY (:ids::uuid[]))
    AND (:states::text[] IS NULL OR m.state = ANY (:states::text[]))
    AND (:older_than::float8 IS NULL OR m.created_at < now() - make_interval(secs => :older_than::float8))
    AND (:newer_than::float8 IS NULL OR m.created_at > now() - make_interval(secs => :newer_than::float8))
    AND NOT EXISTS (SELECT FROM sms_opt_outs o WHERE o.phone_number = m.phone_number);

-- name: find_resendable
-- The next messages for `manage.py sms resend`: as count_resendable, but not changed since :started, so none comes twice.
SELECT array(
    SELECT m.id FROM sms_messages m
    WHERE m.state NOT IN ('queued', 'sending') AND NOT m.withdrawn
        AND (m.order_id IS NOT NULL OR m.state <> 'cancelled')
        AND (:ids::uuid[] IS NULL OR m.id = ANY (:ids::uuid[]))
        AND (:states::text[] IS NULL OR m.state = ANY (:states::text[]))
        AND (:older_than::float8 IS NULL OR m.created_at < now() - make_interval(secs => :older_than::float8))
        AND (:newer_than::float8 IS NULL OR m.created_at > now() - make_interval(secs => :newer_than::float8))
        AND m.updated_at < :started::timestamptz
        AND NOT EXISTS (SELECT FROM sms_opt_outs o WHERE o.phone_number = m.phone_number)
    ORDER BY m.created_at
    LIMIT 500
);

-- name: resend_messages
-- Queue the given messages again, except those queued, being sent, withdrawn or opted out. Flag what may have arrived.
WITH again AS (
    UPDATE sms_messages AS m
    SET possible_duplicate = possible_duplicate OR state IN ('unknown', 'accepted', 'delivered', 'undelivered'),
        state = 'queued',
        due_at = now(),
        queued_at = now(),
        failure_reason = '',
        updated_at = now()
    WHERE m.id = ANY (:ids::uuid[]) AND m.state NOT IN ('queued', 'sending') AND NOT m.withdrawn
        AND (m.order_id IS NOT NULL OR m.state <> 'cancelled')
        AND NOT EXISTS (SELECT FROM sms_opt_outs o WHERE o.phone_number = m.phone_number)
    RETURNING id
)
SELECT count(*), pg_notify('sms_due', '') FROM again;

-- name: cancel
-- Cancel a message that is still queued.
UPDATE sms_messages
SET state = 'cancelled', due_at = NULL, failure_reason = 'called off', updated_at = now()
WHERE id = :id AND state = 'queued'
RETURNING id;

-- name: read_clock
-- PostgreSQL's time, by which the rows are stamped.
SELECT now()::text;

-- name: get_status
-- The outbox in one object: messages by state, the age of the oldest queued one, the last minute's attempts, the opt-outs.
SELECT json_build_object(
    'messages', (SELECT coalesce(json_object_agg(state, n ORDER BY state), '{}')
                 FROM (SELECT state, count(*) AS n FROM sms_messages GROUP BY state) AS s),
    'oldest_queued_seconds', (SELECT extract(epoch FROM now() - min(queued_at))::int FROM sms_messages
                              WHERE state = 'queued'),
    'last_minute', (SELECT json_build_object('asked', count(*), 'accepted', count(*) FILTER (WHERE state = 'accepted'))
                    FROM sms_attempts WHERE asked_at > now() - interval '1 minute'),
    'opted_out', (SELECT count(*) FROM sms_opt_outs)
)::text;

-- name: announce
-- Wake the workers: a message is due. In a transaction of its own (sms/bell.py says why).
SELECT pg_notify('sms_due', '');

-- name: get_state
-- The state of one message.
SELECT state FROM sms_messages WHERE id = :id;

-- name: oldest_due_seconds
-- For how many seconds the oldest open message has been due; null if none is due.
SELECT extract(epoch FROM now() - min(due_at))::float8 FROM sms_messages
WHERE state IN ('queued', 'unknown') AND due_at <= now();

-- name: count_workers
-- How many workers listen, on any host: each has one connection with this application_name.
SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND datname = current_database();

-- name: read_figures
-- For /metrics, in one object. Cheap at any size: it reads open messages by their partial indexes, and five minutes of
-- attempts. PostgreSQL uses the index of two states only for a condition that names both.
WITH recent AS (
    SELECT state, extract(epoch FROM answered_at - asked_at)::float8 AS seconds
    FROM sms_attempts
    WHERE asked_at > now() - interval '5 minutes'
)
SELECT json_build_object(
    'messages', json_build_object(
        'queued', (SELECT count(*) FROM sms_messages WHERE state IN ('queued', 'unknown') AND state = 'queued'),
        'unknown', (SELECT count(*) FROM sms_messages WHERE state IN ('queued', 'unknown') AND state = 'unknown'),
        'sending', (SELECT count(*) FROM sms_messages WHERE state = 'sending')),
    'oldest_due', (SELECT coalesce(extract(epoch FROM now() - min(due_at)), 0)::float8 FROM sms_messages
                   WHERE state IN ('queued', 'unknown') AND due_at <= now()),
    'workers', (SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND datname = current_database()),
    'paused', (SELECT count(*) FROM sms_pauses),
    'needs_help', (SELECT count(*) FROM sms_pauses WHERE needs_help),
    'attempts', (SELECT coalesce(json_object_agg(state, n), '{}')
                 FROM (SELECT state, count(*) AS n FROM recent GROUP BY state) AS outcomes),
    'gateway', (SELECT coalesce(json_object_agg(quantile, seconds), '{}')
                FROM (SELECT unnest(ARRAY['0.5', '0.95', '0.99']) AS quantile,
                             unnest(percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY seconds)) AS seconds
                      FROM recent WHERE seconds IS NOT NULL) AS quantiles
                WHERE seconds IS NOT NULL),
    'connections', (SELECT json_object_agg(state, n)
                    FROM (SELECT coalesce(state, 'other') AS state, count(*) AS n FROM pg_stat_activity
                          WHERE datname = current_database() GROUP BY 1) AS states),
    'connections_max', current_setting('max_connections')::int
)::text;
