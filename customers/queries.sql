-- What the API reads and writes of customers. customer_document (customers/migrations) gives a row as the API shows it.

-- name: list_customers
-- One page, newest first, as JSON objects joined by commas, with the key of its last row.
SELECT string_agg(page.document, ',' ORDER BY page.created_at DESC, page.id DESC),
       (array_agg(page.created_at ORDER BY page.created_at, page.id))[1],
       (array_agg(page.id ORDER BY page.created_at, page.id))[1]
FROM (
    SELECT customer_document(c) AS document, c.created_at, c.id
    FROM customers c
    WHERE (c.created_at, c.id) < (:after_time::timestamptz, :after_id::uuid)
    ORDER BY c.created_at DESC, c.id DESC
    LIMIT 2000
) page;

-- name: get_customer
-- One customer.
SELECT customer_document(c) FROM customers c WHERE c.id = :id;

-- name: create_customer
-- The database gives id and times, and refuses a code that is taken.
INSERT INTO customers AS c (code, name, phone_number)
VALUES (:code, :name, :phone_number)
RETURNING customer_document(c), acting(:actor);

-- name: update_customer
-- A field that is null stays as it is.
UPDATE customers AS c
SET code = coalesce(:code, c.code),
    name = coalesce(:name, c.name),
    phone_number = coalesce(:phone_number, c.phone_number),
    updated_at = now()
WHERE c.id = :id
RETURNING customer_document(c), acting(:actor);

-- name: delete_customer
-- Its orders go with it (ON DELETE CASCADE), and what they still had queued is cancelled (sms/migrations).
DELETE FROM customers WHERE id = :id RETURNING id, acting(:actor);
