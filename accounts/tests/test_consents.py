"""A person is asked once what an application may do, and may take it back."""

import re

import pytest

from accounts.tests.browser import CALLBACK, Browser, landed, register
from accounts.tests.devices import poll, start


@pytest.fixture
def diary(people, request):
    """An application that nobody has consented to yet."""
    return register(people, f"Diary of {request.node.name}")


def ask(browser: Browser, client, scope: str = "openid profile", **fields: str):
    """Ask for a code, signed in; returns the consent page, or the redirect with the code."""
    request = {"response_type": "code", "client_id": client.client_id, "redirect_uri": CALLBACK, "scope": scope}
    return browser.open("/o/authorize/", params={**request, **fields})


def asks(page) -> bool:
    return page.status_code == 200 and 'name="allow"' in page.text


def test_an_application_asks_once_for_what_it_may_do(people, provider, browser, diary):
    tokens = provider.tokens(diary, browser, "openid profile")
    browser.open("/o/logout/", params={"id_token_hint": tokens["id_token"]})
    browser.sign_in(browser.open("/accounts/login/"))
    # No token is valid any more, but the consent still is.
    assert not provider.lets_in(tokens["access_token"])
    assert "code=" in ask(browser, diary).headers["Location"]
    assert "code=" in ask(browser, diary, prompt="none").headers["Location"]
    assert asks(ask(browser, diary, prompt="consent"))
    # More scopes need another consent, which adds to the first one.
    page = ask(browser, diary, "openid email orders:read")
    assert asks(page)
    assert "code=" in browser.submit(page, allow="Authorize").headers["Location"]
    for scope in ("openid email", "openid profile", "openid profile email orders:read", "orders:read"):
        assert "code=" in ask(browser, diary, scope).headers["Location"]
    with Browser(people, person="leaver") as other:
        other.sign_in(other.open("/accounts/login/"))
        assert asks(ask(other, diary))


def test_leave_for_a_part_of_the_api_is_not_leave_for_all_of_it(browser, diary):
    browser.sign_in(browser.open("/accounts/login/"))
    page = ask(browser, diary, "openid orders:read")
    assert "Do all that you may do here" not in page.text
    browser.submit(page, allow="Authorize")
    assert "code=" in ask(browser, diary, "orders:read").headers["Location"]
    # A token without any API scope has full access.
    page = ask(browser, diary, "openid")
    assert asks(page)
    assert "Do all that you may do here" in page.text


def test_it_says_what_an_application_may_do_that_asks_for_nothing_of_the_api(people, browser):
    screen = register(people, "Wall screen", "--scope", "openid orders:read")
    browser.sign_in(browser.open("/accounts/login/"))
    page = ask(browser, screen, "openid")
    assert "See orders" in page.text
    assert "Do all that you may do here" not in page.text
    browser.submit(page, allow="Authorize")
    assert "code=" in ask(browser, screen, "openid orders:read").headers["Location"]


def test_a_refusal_is_asked_again(browser, diary):
    browser.sign_in(browser.open("/accounts/login/"))
    for _ in range(2):
        page = ask(browser, diary)
        assert asks(page)
        assert "error=access_denied" in browser.submit(page).headers["Location"]


def test_who_takes_it_back_ends_its_tokens_and_is_asked_again(people, provider, browser, diary, shop):
    tokens, others = provider.tokens(diary, browser), provider.tokens(shop, browser)
    page = browser.open("/o/consents/")
    assert "Diary of" in page.text
    assert "See your e-mail address" in page.text
    key = re.search(r'value="(\d+)">Shut Diary of test_who_takes_it_back_ends', page.text)[1]
    with Browser(people, person="stranger") as other:
        assert "None may act in your name" in other.sign_in(other.open("/o/consents/")).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', ask(other, diary).text)[1]
        form = {"csrfmiddlewaretoken": token, "application": key}
        assert other.post(f"{other.home}/o/consents/", form, headers={"Referer": other.home}, timeout=60).ok
    # What somebody else takes back is theirs.
    assert "code=" in ask(browser, diary).headers["Location"]
    for nonsense in ("", "x", "0", "9" * 18, "-1", "1.5"):
        assert browser.submit(page, application=nonsense).status_code == 200
    assert provider.lets_in(tokens["access_token"])
    assert "Diary of test_who_takes_it_back_ends" not in browser.submit(page, application=key).text
    assert not provider.lets_in(tokens["access_token"])
    assert provider.refresh(diary, tokens["refresh_token"]).status_code == 400
    assert provider.lets_in(others["access_token"])
    assert asks(ask(browser, diary))


def test_who_takes_it_back_leaves_what_other_applications_have_yet_to_redeem(provider, browser, diary, shop, scale):
    provider.tokens(diary, browser)
    code = landed(browser.authorize(client_id=shop.client_id, scope="openid"))["code"]
    device = start(provider, scale)
    browser.submit(browser.open(device["verification_uri_complete"]), answer="allow")
    page = browser.open("/o/consents/")
    key = re.search(r'value="(\d+)">Shut Diary of test_who_takes_it_back_leaves', page.text)[1]
    browser.submit(page, application=key)
    assert provider.redeem(shop, code).status_code == 200
    assert poll(provider, scale, device).status_code == 200


def test_a_public_application_that_is_not_sure_to_be_the_same_asks_each_time(people, browser, request):
    pkce = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
    for place, again in (("http://client.example/callback", True), ("https://client.example/callback", False)):
        app = register(people, f"Public at {place}", "--public", redirect_uri=place)
        browser.authorize(client_id=app.client_id, scope="openid", redirect_uri=place, **pkce)
        assert asks(ask(browser, app, "openid", redirect_uri=place, **pkce)) is again
        silent = ask(browser, app, "openid", redirect_uri=place, prompt="none", **pkce).headers["Location"]
        assert ("error=consent_required" in silent) is again
