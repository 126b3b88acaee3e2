-- What the API reads and writes of customers. customer_document (customers/migrations) returns a row as the API shows it.

-- name: page_of_customers
-- Up to :limit customers joined into one text, and the key of the last one if more may follow, that is, if :most rows were
-- read. For a single page :most is :limit + 1; a whole list finds out by reading the next page.
-- A line that ends in `-- if NAME` is kept only when NAME is wanted (savannah/sql.py, only): a filter, a sort, a format,
-- the key to start after.
-- The limit of short pages is a literal wherever one plan is best for all values: for an unknown limit PostgreSQL expects a
-- tenth of the table, finds the generic plan too expensive, and replans for every page (half of a page's time).
SELECT
    string_agg(page.line, :separator),                                                     -- if !paged
    array_to_string((array_agg(page.line))[1 : :limit], :separator),                       -- if paged
    CASE WHEN count(*) = :most THEN (array_agg(page.key))[:limit]::text END,
    CASE WHEN count(*) = :most THEN (array_agg(page.id))[:limit]::text END
FROM (
    SELECT * FROM (
        SELECT c.id,
               customer_document(c) AS line,                                               -- if json
               customer_document(c) || E'\n' AS line,                                      -- if ndjson
               customer_csv(c) || E'\r\n' AS line,                                         -- if csv
               c.created_at AS key                                                         -- if -created_at
               c.created_at AS key                                                         -- if created_at
               c.code AS key                                                               -- if -code
               c.code AS key                                                               -- if code
               c.name AS key                                                               -- if -name
               c.name AS key                                                               -- if name
        FROM customers c
        WHERE true
            AND (upper(c.code) LIKE upper(:search) OR lower(c.name) LIKE lower(:search)    -- if search !anywhere
                 OR c.phone_number LIKE :search)                                           -- if search !anywhere
            AND c.code || ' ' || c.name || ' ' || c.phone_number ILIKE :search             -- if search anywhere
            AND (c.created_at, c.id) < (:key::timestamptz, :id::uuid)                      -- if after -created_at
            AND (c.created_at, c.id) > (:key::timestamptz, :id::uuid)                      -- if after created_at
            AND (c.code, c.id) < (:key, :id::uuid)                                         -- if after -code
            AND (c.code, c.id) > (:key, :id::uuid)                                         -- if after code
            AND (c.name, c.id) < (:key, :id::uuid)                                         -- if after -name
            AND (c.name, c.id) > (:key, :id::uuid)                                         -- if after name
        ORDER BY c.created_at DESC, c.id DESC                                              -- if -created_at
        ORDER BY c.created_at, c.id                                                        -- if created_at
        ORDER BY c.code DESC, c.id DESC                                                    -- if -code
        ORDER BY c.code, c.id                                                              -- if code
        ORDER BY c.name DESC, c.id DESC                                                    -- if -name
        ORDER BY c.name, c.id                                                              -- if name
        LIMIT 101                                                                          -- if short !search
    ) row
    LIMIT :most
) page;

-- name: can_search_anywhere
-- Whether the trigram index exists, which needs pg_trgm (customers/migrations).
SELECT to_regclass('customers_search_trigrams') IS NOT NULL;

-- name: get_customer
-- One customer, and its version.
SELECT customer_document(c), customer_version(c) FROM customers c WHERE c.id = :id;

-- name: create_customer
-- PostgreSQL sets the id and the times, and refuses a code that is taken.
INSERT INTO customers AS c (code, name, phone_number)
VALUES (:code, :name, :phone_number)
RETURNING customer_document(c), acting(:actor);

-- name: update_customer
-- A null field stays unchanged. No row: no such customer. A null document: its version is not among :versions (null: any).
WITH changed AS (
    UPDATE customers AS c
    SET code = coalesce(:code, c.code),
        name = coalesce(:name, c.name),
        phone_number = coalesce(:phone_number, c.phone_number),
        updated_at = now()
    WHERE c.id = :id AND (:versions::text[] IS NULL OR customer_version(c) = ANY (:versions::text[]))
    RETURNING *
)
SELECT CASE WHEN changed.id IS NOT NULL THEN customer_document(row(changed.*)::customers) END,
       customer_version(row(changed.*)::customers), acting(:actor)
FROM customers c
LEFT JOIN changed ON changed.id = c.id
WHERE c.id = :id AND (changed.id IS NOT NULL OR :versions::text[] IS NOT NULL);

-- name: delete_customer
-- Also deletes the customer's orders (ON DELETE CASCADE) and cancels their queued SMS (sms/migrations).
-- No row, or a null id: as in update_customer.
WITH deleted AS (
    DELETE FROM customers c
    WHERE c.id = :id AND (:versions::text[] IS NULL OR customer_version(c) = ANY (:versions::text[]))
    RETURNING c.id
)
SELECT deleted.id, acting(:actor)
FROM customers c
LEFT JOIN deleted ON deleted.id = c.id
WHERE c.id = :id AND (deleted.id IS NOT NULL OR :versions::text[] IS NOT NULL);

-- name: judge_customers
-- Record the refused rows of an upload, each with its first fault. savannah/uploads.py has staged the upload.
INSERT INTO refused (line, field, reason)
SELECT staged.line, fault.of[1], fault.of[2]
FROM (
    SELECT *, row_number() OVER (PARTITION BY code ORDER BY line) AS nth, min(line) OVER (PARTITION BY code) AS first_line
    FROM upload
) AS staged
LEFT JOIN customers c ON c.code = staged.code
CROSS JOIN LATERAL (SELECT CASE
    WHEN staged.reason IS NOT NULL THEN ARRAY[staged.field, staged.reason]
    WHEN staged.code IS NULL THEN ARRAY['code', 'is missing.']
    WHEN length(staged.code) > 50 THEN ARRAY['code', 'must have no more than 50 characters.']
    WHEN staged.name IS NULL THEN ARRAY['name', 'is missing.']
    WHEN length(staged.name) > 100 THEN ARRAY['name', 'must have no more than 100 characters.']
    WHEN staged.phone_number IS NULL THEN ARRAY['phone_number', 'is missing.']
    WHEN staged.nth > 1 THEN ARRAY['code', 'is in line ' || staged.first_line || ' already.']
    WHEN NOT :update AND (c.name, c.phone_number) <> (staged.name, staged.phone_number)
        THEN ARRAY['code', 'A customer with this code already exists']
END) AS fault (of)
WHERE fault.of IS NOT NULL;

-- name: merge_customers
-- Store the rows of an upload that are not refused; count those created, updated, unchanged, and refused only now.
-- If another transaction took a code after judge_customers looked, only ON CONFLICT sees it: without :update the existing
-- row is rewritten unchanged, so that RETURNING shows it and the upload's row is refused. Sorted, so that concurrent uploads
-- do not deadlock.
WITH good AS (
    SELECT u.line, u.code, u.name, u.phone_number
    FROM upload u
    WHERE NOT EXISTS (SELECT FROM refused r WHERE r.line = u.line)
), written AS (
    INSERT INTO customers AS c (code, name, phone_number)
    SELECT good.code, good.name, good.phone_number
    FROM good
    LEFT JOIN customers known ON known.code = good.code
    WHERE known.id IS NULL OR (known.name, known.phone_number) <> (good.name, good.phone_number)
    ORDER BY good.code
    ON CONFLICT (code) DO UPDATE
    SET name = CASE WHEN :update THEN excluded.name ELSE c.name END,
        phone_number = CASE WHEN :update THEN excluded.phone_number ELSE c.phone_number END,
        updated_at = CASE WHEN :update THEN now() ELSE c.updated_at END
    WHERE NOT :update OR (c.name, c.phone_number) <> (excluded.name, excluded.phone_number)
    RETURNING c.code, c.name, c.phone_number, c.xmax = 0 AS created
), late AS (
    INSERT INTO refused (line, field, reason)
    SELECT good.line, 'code', 'A customer with this code already exists'
    FROM written
    JOIN good USING (code)
    WHERE (written.name, written.phone_number) <> (good.name, good.phone_number)
    RETURNING line
), counted AS (
    SELECT count(*) FILTER (WHERE created) AS created,
           count(*) FILTER (WHERE NOT created AND :update) AS updated,
           (SELECT count(*) FROM late) AS refused
    FROM written
)
SELECT created, updated, (SELECT count(*) FROM good) - created - updated - refused, refused, acting(:actor) FROM counted;
