-- The API's reads and writes of orders. order_document (orders/migrations) returns an order as the API shows it.

-- name: place_order
-- Insert the order and its queued SMS, in one statement and so in one transaction; no row when no customer has the code.
-- %1$s name, %2$s item, %3$s currency, %4$s amount: positions in :template, so that no value is read as a format.
-- `bearer`: this statement also checks the caller (accounts/bearer.py, while_bearer).
WITH customer AS (
    SELECT * FROM customers WHERE code = :customer_code
        AND EXISTS (SELECT FROM bearer)                                                     -- if bearer
), placed AS (
    INSERT INTO orders (customer_id, item, amount)
    SELECT customer.id, :item, :amount::numeric FROM customer
    RETURNING *
), queued AS (
    INSERT INTO sms_messages (id, order_id, awaited, request_id, phone_number, body)
    SELECT :sms_id::uuid, placed.id, :awaited, :request_id, customer.phone_number,
           CASE WHEN :transliterate THEN sms_transliterate(sms.body) ELSE sms.body END
    FROM placed, customer,
         format(:template::text, customer.name, placed.item, :currency::text, placed.amount) AS sms (body)
    RETURNING id
)
SELECT order_document(row(placed.*)::orders, row(customer.*)::customers), acting(:actor)
FROM placed, customer, queued;

-- name: page_of_orders
-- Up to :limit orders as one text, and the key of the last one if more may follow, that is, if :most rows were read. For a
-- page, :most is :limit + 1; for a part of a streamed list it equals :limit, and the next part may turn out to be empty.
-- A line that ends in `-- if NAME` is used only when NAME is wanted (savannah/sql.py, only): for a filter, a sort, a
-- format, or the rows after a key.
-- Where one plan is the best for all values, the LIMIT of a short page is a constant: for a parameter, PostgreSQL assumes
-- a tenth of the table, finds the generic plan too expensive, and plans each page again (half of a page's time).
-- An SMS has its order's created_at, and an index has it together with the state (orders/migrations). That index is read
-- for a filter by state, unless a filter or the sort needs a column that only orders have (by_state, orders/views.py).
-- The rows arrive sorted and are joined in that order: an ORDER BY in the aggregates would sort the long texts again.
SELECT
    string_agg(page.line, :separator),                                                     -- if !paged
    array_to_string((array_agg(page.line))[1 : :limit], :separator),                       -- if paged
    CASE WHEN count(*) = :most THEN (array_agg(page.key))[:limit]::text END,
    CASE WHEN count(*) = :most THEN (array_agg(page.id))[:limit]::text END
FROM (
    SELECT * FROM (
        SELECT o.id,
               order_document(o, c, m.state) AS line,                                      -- if json
               order_document(o, c, m.state) || E'\n' AS line,                             -- if ndjson
               order_csv(o, c, m.state) || E'\r\n' AS line,                                -- if csv
               o.created_at AS key                                                         -- if -created_at !by_state
               o.created_at AS key                                                         -- if created_at !by_state
               m.created_at AS key                                                         -- if -created_at by_state
               m.created_at AS key                                                         -- if created_at by_state
               o.amount AS key                                                             -- if -amount
               o.amount AS key                                                             -- if amount
        FROM orders o
        JOIN customers c ON c.id = o.customer_id
        LEFT JOIN sms_messages m ON m.order_id = o.id
        WHERE true
            AND o.customer_id = :customer_id                                               -- if customer_id
            AND o.created_at >= :since                                                     -- if since !by_state
            AND m.created_at >= :since                                                     -- if since by_state
            AND o.created_at < :until                                                      -- if until !by_state
            AND m.created_at < :until                                                      -- if until by_state
            AND o.amount >= :min_amount                                                    -- if min_amount
            AND o.amount <= :max_amount                                                    -- if max_amount
            AND lower(o.item) = lower(:item)                                               -- if item
            AND m.state = :sms_status AND m.order_id IS NOT NULL                           -- if sms_status
            AND (o.created_at, o.id) < (:key::timestamptz, :id::uuid)                      -- if after -created_at !by_state
            AND (o.created_at, o.id) > (:key::timestamptz, :id::uuid)                      -- if after created_at !by_state
            AND (m.created_at, m.order_id) < (:key::timestamptz, :id::uuid)                -- if after -created_at by_state
            AND (m.created_at, m.order_id) > (:key::timestamptz, :id::uuid)                -- if after created_at by_state
            AND (o.amount, o.id) < (:key::numeric, :id::uuid)                              -- if after -amount
            AND (o.amount, o.id) > (:key::numeric, :id::uuid)                              -- if after amount
        ORDER BY o.created_at DESC, o.id DESC                                              -- if -created_at !by_state
        ORDER BY o.created_at, o.id                                                        -- if created_at !by_state
        ORDER BY m.created_at DESC, m.order_id DESC                                        -- if -created_at by_state
        ORDER BY m.created_at, m.order_id                                                  -- if created_at by_state
        ORDER BY o.amount DESC, o.id DESC                                                  -- if -amount
        ORDER BY o.amount, o.id                                                            -- if amount
        LIMIT 101      -- if short -created_at !customer_id !item !sms_status !min_amount !max_amount
        LIMIT 101      -- if short created_at !customer_id !item !sms_status !min_amount !max_amount
    ) row
    LIMIT :most
) page;

-- name: find_customer
-- The id of the customer whose code or whose id is given.
SELECT id FROM customers WHERE code = :code OR id = :id::uuid;

-- name: get_order
-- One order with its customer and the state of its SMS, and the version of the order itself.
SELECT order_document(o, c, m.state), order_version(o)
FROM orders o
JOIN customers c ON c.id = o.customer_id
LEFT JOIN sms_messages m ON m.order_id = o.id
WHERE o.id = :id;

-- name: get_sms
-- The SMS of an order, with its history: no row without the order, null when the order has no SMS.
SELECT CASE WHEN m.id IS NOT NULL THEN sms_document(m) END
FROM orders o
LEFT JOIN sms_messages m ON m.order_id = o.id
WHERE o.id = :id;

-- name: update_order
-- A null field stays unchanged. No row: no such order. A null document: not one of :versions (null: any version).
WITH changed AS (
    UPDATE orders AS o
    SET item = coalesce(:item, o.item),
        amount = coalesce(:amount::numeric, o.amount),
        updated_at = now()
    WHERE o.id = :id AND (:versions::text[] IS NULL OR order_version(o) = ANY (:versions::text[]))
    RETURNING *
)
SELECT CASE WHEN changed.id IS NOT NULL THEN order_document(row(changed.*)::orders, c, m.state) END,
       order_version(row(changed.*)::orders), acting(:actor)
FROM orders o
LEFT JOIN changed ON changed.id = o.id
JOIN customers c ON c.id = o.customer_id
LEFT JOIN sms_messages m ON m.order_id = o.id
WHERE o.id = :id AND (changed.id IS NOT NULL OR :versions::text[] IS NOT NULL);

-- name: delete_order
-- An SMS that is still queued is cancelled, one that was sent is kept (ON DELETE SET NULL, sms/migrations).
-- No row, or a null: as in update_order.
WITH deleted AS (
    DELETE FROM orders o
    WHERE o.id = :id AND (:versions::text[] IS NULL OR order_version(o) = ANY (:versions::text[]))
    RETURNING o.id
)
SELECT deleted.id, acting(:actor)
FROM orders o
LEFT JOIN deleted ON deleted.id = o.id
WHERE o.id = :id AND (deleted.id IS NOT NULL OR :versions::text[] IS NOT NULL);

-- name: judge_orders
-- Which rows of an upload are refused, and why: the first fault of each. Staged by savannah/uploads.py.
INSERT INTO refused (line, field, reason)
SELECT u.line, fault.of[1], fault.of[2]
FROM upload u
LEFT JOIN customers c ON c.code = u.customer_code
CROSS JOIN LATERAL (SELECT CASE
    WHEN u.reason IS NOT NULL THEN ARRAY[u.field, u.reason]
    WHEN u.customer_code IS NULL THEN ARRAY['customer_code', 'is missing.']
    WHEN c.id IS NULL THEN ARRAY['customer_code', 'Customer not found']
    WHEN u.item IS NULL THEN ARRAY['item', 'is missing.']
    WHEN length(u.item) > 200 THEN ARRAY['item', 'must have no more than 200 characters.']
    WHEN u.amount IS NULL THEN ARRAY['amount', 'is missing.']
    WHEN length(u.amount) > 100 OR u.amount !~ '^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]{1,2})?$'
        THEN ARRAY['amount', 'must be a number.']
    WHEN u.amount::numeric <= 0 THEN ARRAY['amount', 'must be more than 0.']
    WHEN u.amount::numeric > 99999999.99 THEN ARRAY['amount', 'must be at most 99999999.99.']
    WHEN u.amount::numeric <> round(u.amount::numeric, 2) THEN ARRAY['amount', 'must have at most two decimals.']
END) AS fault (of)
WHERE fault.of IS NOT NULL;

-- name: merge_orders
-- Store the rows of an upload that are not refused, and queue their SMS as place_order does (:template: see there).
-- Returns how many were created, updated (none), unchanged (none), and refused because their customer was deleted after
-- judge_orders.
WITH late AS (
    INSERT INTO refused (line, field, reason)
    SELECT u.line, 'customer_code', 'Customer not found'
    FROM upload u
    WHERE NOT EXISTS (SELECT FROM refused r WHERE r.line = u.line)
        AND NOT EXISTS (SELECT FROM customers c WHERE c.code = u.customer_code)
    RETURNING line
), placed AS (
    INSERT INTO orders (customer_id, item, amount, order_time)
    SELECT c.id, u.item, u.amount::numeric, coalesce(u.order_time::timestamptz, now())
    FROM upload u
    JOIN customers c ON c.code = u.customer_code
    WHERE NOT EXISTS (SELECT FROM refused r WHERE r.line = u.line)
    RETURNING *
), queued AS (                                                                              -- if notify
    INSERT INTO sms_messages (order_id, request_id, phone_number, body)                     -- if notify
    SELECT placed.id, :request_id, c.phone_number,                                          -- if notify
           CASE WHEN :transliterate THEN sms_transliterate(sms.body) ELSE sms.body END      -- if notify
    FROM placed                                                                             -- if notify
    JOIN customers c ON c.id = placed.customer_id,                                          -- if notify
         format(:template::text, c.name, placed.item, :currency::text, placed.amount) AS sms (body) -- if notify
)
SELECT count(*), 0, 0, (SELECT count(*) FROM late), acting(:actor) FROM placed;
