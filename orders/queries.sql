-- What the API reads and writes of orders. order_document (orders/migrations) gives an order as the API shows it.

-- name: place_order
-- The order and its queued SMS, in one statement and so in one transaction; no row when no customer has the code.
-- %1$s name, %2$s item, %3$s currency, %4$s amount: positions in :template, so that no value is read as a format.
WITH customer AS (
    SELECT * FROM customers WHERE code = :customer_code
), placed AS (
    INSERT INTO orders (customer_id, item, amount)
    SELECT customer.id, :item, :amount::numeric FROM customer
    RETURNING *
), queued AS (
    INSERT INTO sms_messages (id, order_id, request_id, phone_number, body)
    SELECT :sms_id::uuid, placed.id, :request_id, customer.phone_number,
           CASE WHEN :transliterate THEN sms_transliterate(sms.body) ELSE sms.body END
    FROM placed, customer,
         format(:template::text, customer.name, placed.item, :currency::text, placed.amount) AS sms (body)
    RETURNING id
)
SELECT order_document(row(placed.*)::orders, row(customer.*)::customers), acting(:actor)
FROM placed, customer, queued;

-- name: list_orders
-- One page, newest first, as JSON objects joined by commas, with the key of its last row.
SELECT string_agg(page.document, ',' ORDER BY page.created_at DESC, page.id DESC),
       (array_agg(page.created_at ORDER BY page.created_at, page.id))[1],
       (array_agg(page.id ORDER BY page.created_at, page.id))[1]
FROM (
    SELECT order_document(o, c, m.state) AS document, o.created_at, o.id
    FROM orders o
    JOIN customers c ON c.id = o.customer_id
    LEFT JOIN sms_messages m ON m.order_id = o.id
    WHERE (o.created_at, o.id) < (:after_time::timestamptz, :after_id::uuid)
    ORDER BY o.created_at DESC, o.id DESC
    LIMIT 2000
) page;

-- name: list_orders_of_customer
-- As list_orders, for one customer.
SELECT string_agg(page.document, ',' ORDER BY page.created_at DESC, page.id DESC),
       (array_agg(page.created_at ORDER BY page.created_at, page.id))[1],
       (array_agg(page.id ORDER BY page.created_at, page.id))[1]
FROM (
    SELECT order_document(o, c, m.state) AS document, o.created_at, o.id
    FROM orders o
    JOIN customers c ON c.id = o.customer_id
    LEFT JOIN sms_messages m ON m.order_id = o.id
    WHERE o.customer_id = :customer_id AND (o.created_at, o.id) < (:after_time::timestamptz, :after_id::uuid)
    ORDER BY o.created_at DESC, o.id DESC
    LIMIT 2000
) page;

-- name: find_customer
-- The id of the customer whose code or whose id is given.
SELECT id FROM customers WHERE code = :code OR id = :id::uuid;

-- name: get_order
-- One order with its customer and the state of its SMS.
SELECT order_document(o, c, m.state)
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
-- A field that is null stays as it is.
WITH changed AS (
    UPDATE orders AS o
    SET item = coalesce(:item, o.item),
        amount = coalesce(:amount::numeric, o.amount),
        updated_at = now()
    WHERE o.id = :id
    RETURNING *
)
SELECT order_document(row(changed.*)::orders, c, m.state), acting(:actor)
FROM changed
JOIN customers c ON c.id = changed.customer_id
LEFT JOIN sms_messages m ON m.order_id = changed.id;

-- name: delete_order
-- An SMS that is still queued is cancelled, one that was sent is kept (ON DELETE SET NULL, sms/migrations).
DELETE FROM orders WHERE id = :id RETURNING id, acting(:actor);
