-- What the desk's pages read, and the way back from a deletion.

-- name: find_customers
-- As one types: the code, the phone (from its beginning or its last digits) or the name begins so, or a word of the name
-- does. Each way has an index (desk/migrations); one that does not apply is null. The last is sorted, so that
-- the planner does not hope to meet enough matches early in the table.
SELECT c.id, c.code, c.name, c.phone_number
FROM customers c
JOIN (
    SELECT id, min(rank) AS rank FROM (
        (SELECT id, 1 AS rank FROM customers WHERE upper(code) LIKE upper(:begins) LIMIT :limit)
        UNION ALL (SELECT id, 2 FROM customers WHERE phone_number LIKE :phone_begins LIMIT :limit)
        UNION ALL (SELECT id, 3 FROM customers WHERE reverse(phone_number) LIKE reverse(:phone_ends) LIMIT :limit)
        UNION ALL (SELECT id, 4 FROM customers WHERE lower(name) LIKE lower(:begins) LIMIT :limit)
        UNION ALL (SELECT id, 5 FROM customers WHERE to_tsvector('simple', name) @@ to_tsquery('simple', :words)
                   ORDER BY length(name) LIMIT :limit)
    ) AS every_way
    GROUP BY id
) AS hit USING (id)
ORDER BY hit.rank, c.name, c.id
LIMIT :limit;

-- name: get_customer
-- One customer, and its version.
SELECT c.id, c.code, c.name, c.phone_number, c.created_at, customer_version(c) AS version FROM customers c WHERE c.id = :id;

-- name: find_same_customer
-- The customer who is just what a form says.
SELECT id FROM customers WHERE code = :code AND name = :name AND phone_number = :phone_number;

-- name: list_orders
-- A page of orders with their SMS, newest first.
SELECT o.id, o.item, o.amount, o.created_at, c.id AS customer_id, c.name, c.code, c.phone_number, m.state
FROM orders o
JOIN customers c ON c.id = o.customer_id
LEFT JOIN sms_messages m ON m.order_id = o.id
WHERE (o.created_at, o.id) < (:after_time::timestamptz, :after_id::uuid)
ORDER BY o.created_at DESC, o.id DESC
LIMIT :limit;

-- name: list_orders_of_customer
-- As list_orders, for one customer.
SELECT o.id, o.item, o.amount, o.created_at, c.id AS customer_id, c.name, c.code, c.phone_number, m.state
FROM orders o
JOIN customers c ON c.id = o.customer_id
LEFT JOIN sms_messages m ON m.order_id = o.id
WHERE o.customer_id = :customer_id AND (o.created_at, o.id) < (:after_time::timestamptz, :after_id::uuid)
ORDER BY o.created_at DESC, o.id DESC
LIMIT :limit;

-- name: list_untold
-- As list_orders, those of some days whose customer was not told by SMS, and nothing more is sent by itself
-- (docs/reliability.md, "The states"). What was called off is not among them. Each state is read by itself, newest first:
-- an index by state and time yields a page of each, and no more is read. The days are looked at after that, or the planner
-- may take the index by time alone. An SMS has its order's created_at.
SELECT o.id, o.item, o.amount, o.created_at, c.id AS customer_id, c.name, c.code, c.phone_number, m.state
FROM (
    (SELECT order_id, created_at, state FROM sms_messages
     WHERE state = 'undelivered' AND order_id IS NOT NULL
         AND (created_at, order_id) < (:after_time::timestamptz, :after_id::uuid)
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
    UNION ALL
    (SELECT order_id, created_at, state FROM sms_messages
     WHERE state = 'rejected' AND order_id IS NOT NULL
         AND (created_at, order_id) < (:after_time::timestamptz, :after_id::uuid)
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
    UNION ALL
    (SELECT order_id, created_at, state FROM sms_messages
     WHERE state = 'expired' AND order_id IS NOT NULL
         AND (created_at, order_id) < (:after_time::timestamptz, :after_id::uuid)
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
    UNION ALL
    (SELECT order_id, created_at, state FROM sms_messages
     WHERE state = 'unknown' AND due_at IS NULL AND order_id IS NOT NULL
         AND (created_at, order_id) < (:after_time::timestamptz, :after_id::uuid)
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
) AS m
JOIN orders o ON o.id = m.order_id
JOIN customers c ON c.id = o.customer_id
WHERE m.created_at > now() - make_interval(days => :days)
ORDER BY m.created_at DESC, m.order_id DESC
LIMIT :limit;

-- name: count_untold
-- How many orders list_untold has in all; of each state, no more than :limit are counted.
SELECT count(*)
FROM (
    (SELECT created_at FROM sms_messages
     WHERE state = 'undelivered' AND order_id IS NOT NULL
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
    UNION ALL
    (SELECT created_at FROM sms_messages
     WHERE state = 'rejected' AND order_id IS NOT NULL
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
    UNION ALL
    (SELECT created_at FROM sms_messages
     WHERE state = 'expired' AND order_id IS NOT NULL
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
    UNION ALL
    (SELECT created_at FROM sms_messages
     WHERE state = 'unknown' AND due_at IS NULL AND order_id IS NOT NULL
     ORDER BY created_at DESC, order_id DESC LIMIT :limit)
) AS m
WHERE m.created_at > now() - make_interval(days => :days);

-- name: get_order
-- One order and its version, with its customer, and its SMS as the API shows it.
SELECT o.id, o.item, o.amount, o.created_at, o.updated_at, order_version(o) AS version, c.id AS customer_id, c.name, c.code,
       c.phone_number, m.id AS sms_id, m.state, sms_document(m) AS sms
FROM orders o
JOIN customers c ON c.id = o.customer_id
LEFT JOIN sms_messages m ON m.order_id = o.id
WHERE o.id = :id;

-- name: list_states
-- How the SMS of some orders stand.
SELECT o.id, o.created_at, m.state
FROM orders o
LEFT JOIN sms_messages m ON m.order_id = o.id
WHERE o.id = ANY (:ids::uuid[]);

-- name: delete_order
-- Keeps what is deleted for the way back, for a day: as it is deleted, whoever has changed it while this waited. The SMS
-- of the order is unlinked by its foreign key.
WITH old AS (
    DELETE FROM desk_deleted WHERE deleted_at < now() - interval '1 day'
), gone AS (
    DELETE FROM orders o WHERE o.id = :id RETURNING o.id, o.item, to_jsonb(o) AS document
)
INSERT INTO desk_deleted (name, customer, orders)
SELECT gone.item, NULL, jsonb_build_array(gone.document || jsonb_build_object('sms_id', m.id))
FROM gone LEFT JOIN sms_messages m ON m.order_id = gone.id
RETURNING id, acting(:actor);

-- name: hold_customer
-- Nobody places an order for the customer, or changes it, until this transaction ends; who was about to has done so.
SELECT id FROM customers WHERE id = :id FOR UPDATE;

-- name: delete_customer
-- As delete_order, with all of the customer's orders; after hold_customer, or it would not see those of a moment ago.
WITH old AS (
    DELETE FROM desk_deleted WHERE deleted_at < now() - interval '1 day'
), orders_gone AS (
    DELETE FROM orders o WHERE o.customer_id = :id RETURNING o.id, to_jsonb(o) AS document
), gone AS (
    DELETE FROM customers c WHERE c.id = :id RETURNING c.name, to_jsonb(c) AS document
)
INSERT INTO desk_deleted (name, customer, orders)
SELECT gone.name, gone.document,
       (SELECT coalesce(jsonb_agg(o.document || jsonb_build_object('sms_id', m.id)), '[]')
        FROM orders_gone o LEFT JOIN sms_messages m ON m.order_id = o.id)
FROM gone
RETURNING id, acting(:actor);

-- name: get_deleted
-- What can still be brought back.
SELECT id, name, customer IS NOT NULL AS is_customer, jsonb_array_length(orders) AS orders
FROM desk_deleted WHERE id = :id;

-- name: restore
-- The same rows under the same ids. An SMS that the deletion called off goes out after all; one of unknown fate, too, once
-- it has been held again for a report (:hold_seconds null: for ever).
WITH back AS (
    DELETE FROM desk_deleted WHERE id = :id RETURNING *
), customer AS (
    INSERT INTO customers (id, code, name, phone_number, created_at, updated_at)
    SELECT c.id, c.code, c.name, c.phone_number, c.created_at, c.updated_at
    FROM back, jsonb_populate_record(NULL::customers, back.customer) AS c
    WHERE back.customer IS NOT NULL
), placed AS (
    INSERT INTO orders (id, customer_id, item, amount, order_time, created_at, updated_at)
    SELECT o.id, o.customer_id, o.item, o.amount, o.order_time, o.created_at, o.updated_at
    FROM back, jsonb_populate_recordset(NULL::orders, back.orders) AS o
), linked AS (
    UPDATE sms_messages AS m
    SET order_id = (o.document ->> 'id')::uuid,
        withdrawn = false,
        state = CASE WHEN m.withdrawn AND m.state = 'cancelled' THEN 'queued' ELSE m.state END,
        failure_reason = CASE WHEN m.withdrawn AND m.state = 'cancelled' THEN '' ELSE m.failure_reason END,
        due_at = CASE
            WHEN m.withdrawn AND m.state = 'cancelled' THEN now()
            WHEN m.withdrawn AND m.state = 'unknown' AND NOT m.possible_duplicate
                THEN now() + make_interval(secs => :hold_seconds)
            ELSE m.due_at
        END,
        updated_at = now()
    FROM back, jsonb_array_elements(back.orders) AS o (document)
    WHERE m.id = (o.document ->> 'sms_id')::uuid
)
SELECT coalesce(back.customer ->> 'id', back.orders -> 0 ->> 'customer_id')::uuid AS customer_id, pg_notify('sms_due', ''),
       acting(:actor)
FROM back;

-- name: list_days
-- Each of the last days up to today (UTC), with its figures: orders, SMS by state, what they are worth and cost.
-- What is queued or being sent is soon something else, and not tallied but counted here: partial indexes find it.
WITH figures AS (
    SELECT day, kind, sum(number) AS number, sum(amount) AS amount
    FROM desk_tallies
    WHERE day > desk_day(now()) - :days::int
    GROUP BY day, kind
    UNION ALL
    SELECT desk_day(created_at), state, count(*), sum(desk_cost(cost)) FILTER (WHERE cost <> '')
    FROM sms_messages
    WHERE state IN ('queued', 'sending')
        AND created_at >= (desk_day(now()) - (:days::int - 1))::timestamp AT TIME ZONE 'UTC'
    GROUP BY 1, 2
)
SELECT d.day::date AS day,
       coalesce(sum(f.number) FILTER (WHERE f.kind = 'order'), 0)::bigint AS orders,
       coalesce(sum(f.amount) FILTER (WHERE f.kind = 'order'), 0) AS revenue,
       coalesce(sum(f.amount) FILTER (WHERE f.kind <> 'order'), 0) AS cost,
       coalesce(json_object_agg(f.kind, f.number) FILTER (WHERE f.kind <> 'order'), '{}')::text AS sms
FROM generate_series(desk_day(now()) - (:days::int - 1), desk_day(now()), interval '1 day') AS d (day)
LEFT JOIN figures f ON f.day = d.day::date
GROUP BY d.day
ORDER BY d.day;

-- name: read_gateway
-- How the gateway does: what holds it up, if anything, and what came of the last minute's attempts.
SELECT (SELECT json_agg(json_build_object('reason', reason, 'needs_help', needs_help))::text FROM sms_pauses) AS pauses,
       count(*) AS asked,
       count(*) FILTER (WHERE state = 'accepted') AS accepted,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM answered_at - asked_at)) AS seconds
FROM sms_attempts
WHERE asked_at > now() - interval '1 minute';
