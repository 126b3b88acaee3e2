"""`python -m benchmarks.desk`: how fast the desk's pages open with a million orders, and the plan of the overview.

Makes a database in a temporary folder, fills it (a minute or two), and requests each page 20 times, as a signed-in
administrator, through all of Django but without a socket.
"""

import os
import statistics
import sys
import tempfile
import time

ORDERS = int(os.environ.get("ORDERS", "1000000"))

# 200,000 customers; orders over 90 days, more of them recently; each has an SMS, most are delivered, 100 are queued.
FILL = """
INSERT INTO customers (code, name, phone_number)
SELECT 'C' || n, (ARRAY['Achieng', 'Baraka', 'Chebet', 'Daudi', 'Esther', 'Farida'])[1 + n % 6] || ' '
    || (ARRAY['Mwangi', 'Odhiambo', 'Kiprono', 'Wafula', 'Hassan'])[1 + n % 5] || ' ' || n,
    '+2547' || lpad(n::text, 8, '0')
FROM generate_series(1, {customers}) n;

INSERT INTO orders (customer_id, item, amount, created_at)
SELECT c.id, 'Maize flour 2 kg', 1 + n % 9000, now() - make_interval(secs => 86400 * 90 * power(n / {orders}.0, 2))
FROM generate_series(1, {orders}) n JOIN customers c ON c.code = 'C' || (1 + n % {customers});

INSERT INTO sms_messages (order_id, phone_number, body, state, cost, created_at, queued_at, due_at)
SELECT o.id, c.phone_number, 'Hello ' || c.name || '!', s.state, 'KES 0.8000', o.created_at, o.created_at,
       CASE WHEN s.state = 'queued' THEN now() END
FROM (SELECT *, row_number() OVER () AS n FROM orders) o JOIN customers c ON c.id = o.customer_id,
    LATERAL (SELECT CASE WHEN o.n <= 100 THEN 'queued' WHEN o.n % 20 = 0 THEN 'undelivered'
                         WHEN o.n % 9 = 0 THEN 'accepted' ELSE 'delivered' END AS state) s;

-- As after many concurrent transactions: each day's tallies in 32 slots.
INSERT INTO desk_tallies (day, kind, slot, number, amount)
SELECT t.day, t.kind, s.slot, 0, 0 FROM desk_tallies t, generate_series(0, 31) AS s (slot) ON CONFLICT DO NOTHING;

VACUUM ANALYZE customers;
VACUUM ANALYZE orders;
VACUUM ANALYZE sms_messages;
VACUUM ANALYZE desk_tallies;
"""

PAGES = {
    "overview, 30 days": "/overview/",
    "overview, 90 days": "/overview/?days=90",
    "desk": "/",
    "desk, page 2": "/?before=2026-11-20T00:00:00%2B00:00&id=00000000-0000-0000-0000-000000000000",
    "find by a first name": "/?q=achieng",
    "find by three letters": "/?q=wan",
    "find by a phone's beginning": "/?q=0700",
    "find by its last digits": "/?q=4321",
    "admin, customers": "/admin/customers/customer/",
    "admin, orders": "/admin/orders/order/",
    "admin, orders, page 100": "/admin/orders/order/?p=99",
    "admin, orders of a code": "/admin/orders/order/?q=C77",
    "admin, SMS": "/admin/sms/message/",
    "admin, SMS undelivered": "/admin/sms/message/?state__exact=undelivered",
}


def main() -> None:
    """Fill, measure, print."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(
            SAVANNAH_DATA_DIR=folder, DJANGO_SETTINGS_MODULE="savannah.settings", PORT="8399", LOG_LEVEL="WARNING"
        )
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        from savannah.embedded.server import stop_server

        try:
            call_command("migrate", verbosity=0)
            fill()
            measure()
        finally:
            stop_server(settings.DATA_DIR)


def fill() -> None:
    """Fill the tables."""
    from django.db import connection

    began = time.monotonic()
    with connection.cursor() as cursor:
        for statement in FILL.format(orders=ORDERS, customers=max(1, ORDERS // 5)).split(";\n"):
            if statement.strip():
                cursor.execute(statement)
    print(f"{ORDERS:,} orders and SMS, {ORDERS // 5:,} customers, filled in {time.monotonic() - began:.0f} s\n")


def measure() -> None:
    """Request each page, and explain the statement of the overview."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from desk.sql import QUERIES, fetch_all

    User.objects.create_superuser("boss", "boss@example.com", "correct horse battery")
    client = Client(REMOTE_ADDR="127.0.0.1", SERVER_NAME="localhost")
    client.post("/accounts/login/", {"username": "boss", "password": "correct horse battery"})
    print(f"{'page':30} {'median':>9} {'slowest':>9} {'statements':>11}")
    for name, address in PAGES.items():
        client.get(address)
        times = []
        for _ in range(20):
            began = time.perf_counter()
            answer = client.get(address)
            times.append((time.perf_counter() - began) * 1000)
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        note = "" if answer.status_code in {200, 302} else f"  {answer.status_code}"
        print(f"{name:30} {statistics.median(times):6.1f} ms {max(times):6.1f} ms {len(asked):11}{note}")
    print()
    for row in fetch_all(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {QUERIES.list_days}", days=30):
        print(row["QUERY PLAN"])


if __name__ == "__main__":
    sys.exit(main())
