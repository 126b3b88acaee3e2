"""The stand-in's page: a phone that rings, and a gateway that a visitor may break and mend."""

import pytest
from playwright.sync_api import expect

from tests.browser.pages import DESKTOP, PHONE


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_messages_arrive_and_the_gateway_is_broken_and_mended(desk, gateway, viewport, scheme):
    window = desk(viewport=viewport, color_scheme=scheme)
    page = window.page
    page.goto(window.stand_in)
    page.locator(".way", has_text="connections are reset").click()
    expect(page.locator("#health")).not_to_have_text("Works")
    assert window.violations() == ""
    page.get_by_role("button", name="Mend everything").click()
    expect(page.locator("#health")).to_have_text("Works")
    name, number = ("Achieng Mwangi", "0733000111") if viewport is DESKTOP else ("Baraka Odhiambo", "0733000112")
    other = desk().sign_in()
    other.add_customer(name, number, f"PHONE{viewport['width']}")
    other.place("Sugar 50 kg", "7200")
    expect(page.locator(".sms", has_text=f"Hello {name}!")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert window.violations() == ""
