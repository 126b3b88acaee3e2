"""Devices without a browser (RFC 8628): they show a code, a person types it elsewhere."""

import re
import time

import pytest

from accounts.tests.browser import PASSWORD, Browser, at_once, register
from accounts.tests.devices import GRANT, poll, start
from conftest import eventually

WAITED = """
from oauth2_provider.models import DeviceGrant
from django.utils import timezone
from datetime import timedelta
DeviceGrant.objects.update({})
"""
LONG_AGO = "last_checked=timezone.now() - timedelta(hours=1)"


def test_a_device_is_let_in_once_somebody_typed_its_code(provider, browser, scale, as_operator):
    started = start(provider, scale)
    # A long interval, so that even a slow test polls too early.
    as_operator(WAITED.format("interval=600"))
    assert started["verification_uri"] == f"{provider.url}/o/device/"
    assert poll(provider, scale, started).json()["error"] == "authorization_pending"
    assert poll(provider, scale, started).json()["error"] == "slow_down"
    page = browser.sign_in(browser.open("/o/device/"))
    typed = started["user_code"].replace("-", " ").lower()
    page = browser.open("/o/device/", params={"user_code": typed})
    assert "Scale" in page.text
    assert "signed in" in browser.submit(page, answer="allow").text
    assert browser.submit(page, answer="deny").status_code == 404
    as_operator(WAITED.format(LONG_AGO))
    tokens = poll(provider, scale, started).json()
    assert tokens["scope"] == "profile orders:read"
    assert provider.get("/api/orders/", tokens["access_token"]).status_code == 200
    assert provider.get("/api/customers/", tokens["access_token"]).status_code == 403
    assert poll(provider, scale, started).json()["error"] == "invalid_grant"
    assert provider.refresh(scale, tokens["refresh_token"]).status_code == 200


def test_a_device_is_told_that_it_was_refused_or_came_too_late(provider, browser, scale, as_operator):
    refused, late = start(provider, scale), start(provider, scale)
    page = browser.sign_in(browser.open(refused["verification_uri_complete"]))
    assert "refused" in browser.submit(page, answer="deny").text
    assert poll(provider, scale, refused).json()["error"] == "access_denied"
    as_operator(WAITED.format("expires=timezone.now()"))
    assert poll(provider, scale, late).json()["error"] == "expired_token"
    assert browser.open(late["verification_uri_complete"]).status_code == 404
    page = browser.open("/o/device/", params={"user_code": start(provider, scale)["user_code"]})
    as_operator(WAITED.format("expires=timezone.now()"))
    assert browser.submit(page, answer="allow").status_code == 404


def test_a_device_code_is_its_client_s_own(people, provider, browser, scale):
    other = register(people, "Second scale", "--device", "--public")
    started = start(provider, scale)
    browser.submit(browser.sign_in(browser.open(started["verification_uri_complete"])), answer="allow")
    assert poll(provider, other, started).json()["error"] == "invalid_grant"
    assert poll(provider, scale, started).status_code == 200


def test_a_device_gets_nothing_in_the_name_of_who_was_deactivated_meanwhile(people, provider, scale, as_operator):
    as_operator(f'User.objects.create_user("guest", "guest@example.com", "{PASSWORD}")')
    started = start(provider, scale)
    with Browser(people, person="guest") as browser:
        page = browser.sign_in(browser.open(started["verification_uri_complete"]))
        assert "signed in" in browser.submit(page, answer="allow").text
    as_operator('User.objects.filter(username="guest").update(is_active=False)')
    assert poll(provider, scale, started).json()["error"] == "access_denied"


def test_nobody_tries_codes_for_long(provider, browser, scale):
    page = browser.sign_in(browser.open("/o/device/"), "leaver")
    page = browser.open("/o/device/")
    csrf = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "user_code": "BCDF-GHJK", "answer": "allow"}

    def look() -> int:
        return browser.open("/o/device/", params={"user_code": "BCDF-GHJK"}).status_code

    def answer() -> int:
        return browser.post(page.url, data=csrf, headers={"Referer": page.url}).status_code

    began, tries = time.monotonic(), 0
    while look() == 404:
        tries += 1
    # The limit of 20 a minute allows one more every three seconds.
    assert 20 <= tries <= 21 + (time.monotonic() - began) / 3
    eventually(lambda: look() == answer() == 429)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"client_id": "nobody"}, "invalid_client"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
def test_it_starts_for_known_devices_and_scopes_alone(provider, scale, fields, error):
    answer = provider.post("/o/device_authorization/", scale.form(**fields) | fields)
    assert answer.json()["error"] == error


def test_a_client_that_is_no_device_gets_no_device_code(provider, shop):
    assert provider.post("/o/device_authorization/", shop.form()).json()["error"] == "unauthorized_client"
    answer = provider.post("/o/token/", shop.form(grant_type=GRANT, device_code="x"))
    assert answer.json()["error"] == "unauthorized_client"


def test_one_of_many_parallel_polls_gets_the_token(provider, browser, scale):
    started = start(provider, scale)
    page = browser.sign_in(browser.open(started["verification_uri_complete"]))
    browser.submit(page, answer="allow")
    answers = at_once(8, lambda: poll(provider, scale, started))
    assert sorted(answer.status_code for answer in answers) == [200, *[400] * 7]


def test_a_device_that_was_shut_out_before_it_asked_again_gets_nothing(provider, browser, scale):
    browser.sign_in(browser.open("/o/device/"))
    first, second = start(provider, scale), start(provider, scale)
    for started in (first, second):
        browser.submit(browser.open(started["verification_uri_complete"]), answer="allow")
    tokens = poll(provider, scale, first).json()
    assert provider.get("/api/orders/", tokens["access_token"]).status_code == 200
    page = browser.open("/o/consents/")
    browser.submit(page, application=re.search(r'value="(\d+)">Shut Scale out', page.text)[1])
    assert provider.get("/api/orders/", tokens["access_token"]).status_code == 401
    assert poll(provider, scale, second).json()["error"] == "invalid_grant"
