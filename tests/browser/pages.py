"""A real browser before the running service: who sits at it, and what they do there."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from conftest import Service

PASSWORD = "correct horse battery"
DESKTOP = {"width": 1180, "height": 820}
PHONE = {"width": 390, "height": 844}
# The admin shows its menu from here on.
WIDE = {"width": 1400, "height": 900}
# A machine without a screen, and nothing that calls home.
FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
MAKE_PEOPLE = f"""
from django.contrib.auth.models import Group, User
for name, role, first, last in (("amina", "manager", "Amina", "Otieno"), ("victor", "viewer", "Victor", "Kimani")):
    person = User.objects.create_user("desk-" + name, password="{PASSWORD}", first_name=first, last_name=last)
    person.groups.add(Group.objects.get(name=role))
User.objects.create_superuser("desk-boss", password="{PASSWORD}", first_name="Grace", last_name="Njoroge")
"""


def chromium_path() -> str | None:
    """Return where the machine's chromium is: Debian's, or another by one of these names."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the machine's chromium."""
    path = chromium_path()
    assert path, "This needs chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        expect.set_options(timeout=60_000)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


class Desk:
    """One person's browser window."""

    def __init__(self, browser: Browser, service: Service, **options) -> None:
        self.home = f"http://localhost:{service.port}"
        self.stand_in = f"http://127.0.0.1:{service.sandbox_port}"
        self.context = browser.new_context(
            base_url=self.home, **{"viewport": DESKTOP, "reduced_motion": "reduce", **options}
        )
        self.context.set_default_timeout(60_000)
        self.page: Page = self.context.new_page()
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.faults.append(line.text))
        ours = (self.home, self.stand_in, "data:")
        self.page.on("request", lambda request: request.url.startswith(ours) or self.foreign.append(request.url))

    def sign_in(self, name: str = "desk-amina", address: str = "/") -> "Desk":
        """Sign in on the way to a page."""
        self.page.goto(address)
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.press("Enter")
        self.page.wait_for_url(self.home + address)
        return self

    def press(self, key: str) -> None:
        """Press a key that leads to another page."""
        with self.page.expect_navigation():
            self.page.keyboard.press(key)

    def add_customer(self, name: str, phone: str, code: str) -> None:
        """Add a customer who was searched for in vain."""
        self.page.goto("/")
        self.page.get_by_label("Find a customer").fill(name)
        self.page.get_by_text(f"Add “{name}”").click()
        self.page.get_by_label("Phone").fill(phone)
        self.page.get_by_label("Code", exact=True).fill(code)
        self.press("Enter")

    def type_order(self, item: str, amount: str) -> None:
        """Fill in an order by keyboard, on the customer's page as it opens."""
        # A page is given its focus with the first frame, which may come after its load.
        expect(self.page.get_by_label("Item")).to_be_focused()
        self.page.keyboard.type(item)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(amount)

    def place(self, item: str, amount: str) -> None:
        """Place an order by keyboard."""
        self.type_order(item, amount)
        self.press("Enter")

    def violations(self) -> str:
        """Return what axe finds against WCAG 2.2 AA and its best practices; empty when nothing."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"]})
        return found.generate_report() if found.violations_count else ""
