"""`make screenshots`: the pictures in docs/, of a service with a day's work in it."""

import json
import tempfile
from pathlib import Path

from playwright.sync_api import expect

from conftest import ROOT, Service
from tests.browser.pages import DESKTOP, MAKE_PEOPLE, PHONE, WIDE, Desk, chromium

# Two months of business. The worker sends none of it: its SMS are at their end.
WORK = """
INSERT INTO customers (code, name, phone_number)
SELECT 'S' || n, (ARRAY['Achieng', 'Baraka', 'Chebet', 'Daudi', 'Esther', 'Farida'])[1 + n % 6] || ' '
    || (ARRAY['Mwangi', 'Odhiambo', 'Kiprono', 'Wafula', 'Hassan'])[1 + n % 5],
    '+2547' || lpad((10000000 + n * 7)::text, 8, '0')
FROM generate_series(1, 60) n;
WITH placed AS (
    INSERT INTO orders (customer_id, item, amount, created_at)
    SELECT c.id,
           (ARRAY['Maize flour 2 kg x 12', 'Cooking oil 20 l', 'Sugar 50 kg', 'Rice 25 kg', 'Soap, carton'])[1 + n % 5],
           round((200 + 8000 * random() ^ 2)::numeric, -1),
           now() - interval '8 min' - make_interval(mins => (86400 * power(n / 6000.0, 1.4))::int)
    FROM generate_series(1, 6000) n JOIN customers c ON c.code = 'S' || (1 + n % 60)
    RETURNING id, created_at, customer_id
)
INSERT INTO sms_messages (order_id, phone_number, body, state, cost, created_at, queued_at, due_at)
SELECT p.id, c.phone_number, 'Hello ' || c.name || '!',
       (ARRAY['undelivered', 'rejected', 'accepted', 'delivered'])[1 + least(3, row_number() OVER () % 40)],
       'KES 0.8000', p.created_at, p.created_at, NULL
FROM placed p JOIN customers c ON c.id = p.customer_id;
"""

CLIENT = ("--name", "Corner shop till", "--redirect-uri", "https://till.example/callback")


def take_all() -> None:
    """Start the service, do some work, take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder)).start()
        try:
            service.until_ready()
            service.manage("shell", "-c", MAKE_PEOPLE)
            service.manage(
                "shell", "-c", f"from django.db import connection; connection.cursor().execute('''{WORK}''')"
            )
            with chromium() as browser:
                take(Desk(browser, service), service, "")
                take(Desk(browser, service, viewport=PHONE, color_scheme="dark"), service, "-phone")
        finally:
            service.end()


def take(window: Desk, service: Service, suffix: str) -> None:
    """Take one window's pictures."""
    page = window.page

    def picture(name: str, **options: bool) -> None:
        page.screenshot(path=ROOT / "docs" / f"{name}{suffix}.png", **options)

    page.goto("/")
    picture("sign-in")
    window.sign_in("desk-boss")
    number = len(suffix)
    window.add_customer("Wanjiku Kamau", f"071234567{number}", f"WAN0{number}")
    for item, amount in (("Tea leaves 5 kg", "3,450"), ("Sugar 50 kg", "7,200")):
        window.place(item, amount)
    expect(page.locator(".orders .placed .badge")).to_contain_text("Delivered")
    picture("customer")
    page.locator(".orders .placed a").click()
    expect(page.locator("#sms h2")).to_contain_text("Delivered")
    picture("order")
    page.goto("/")
    page.get_by_label("Find a customer").press_sequentially("wan")
    expect(page.locator("#found .name").first).to_be_visible()
    picture("desk")
    page.goto("/overview/")
    picture("overview", full_page=True)
    if not suffix:
        page.set_viewport_size(WIDE)
        page.goto("/admin/sms/message/")
        page.wait_for_load_state("networkidle")
        picture("admin")
        page.set_viewport_size(DESKTOP)
        made = "/o/authorize/?response_type=code&scope=openid+profile+orders%3Awrite&prompt=consent"
        client = json.loads(service.manage("setup_oauth", "--json", *CLIENT))["client_id"]
        page.goto(f"{made}&client_id={client}&redirect_uri=https://till.example/callback")
        picture("consent")
    window.context.close()
