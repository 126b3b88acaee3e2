"""What becomes of tokens: rotated, used twice, revoked, introspected; and of the keys that sign them."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from accounts.tests.browser import PASSWORD, Browser, at_once, landed

AN_AGE_AGO = """
from oauth2_provider.models import RefreshToken
from datetime import timedelta
from django.db.models import F
RefreshToken.objects.exclude(revoked=None).update(revoked=F("revoked") - timedelta(minutes=1))
"""
EVERY_ROW = """
import json
from django.apps import apps
print(json.dumps(repr([list(model.objects.values_list()) for model in apps.get_models()])))
"""


def test_one_of_many_parallel_refreshes_wins_and_the_others_change_nothing(provider, browser, till):
    tokens = provider.tokens(till, browser)
    answers = at_once(12, lambda: provider.refresh(till, tokens["refresh_token"]))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    lost = [answer for answer in answers if answer.status_code != 200]
    assert {(answer.status_code, answer.json()["error"]) for answer in lost} == {(400, "invalid_grant")}
    renewed = won[0].json()
    assert provider.lets_in(renewed["access_token"])
    assert not provider.lets_in(tokens["access_token"])
    assert provider.refresh(till, renewed["refresh_token"]).status_code == 200


def test_a_refresh_token_that_comes_back_late_ends_its_family(provider, browser, till, as_operator):
    stolen = provider.tokens(till, browser)["refresh_token"]
    renewed = provider.refresh(till, stolen).json()
    as_operator(AN_AGE_AGO)
    assert provider.refresh(till, stolen).json()["error"] == "invalid_grant"
    assert not provider.lets_in(renewed["access_token"])
    assert provider.refresh(till, renewed["refresh_token"]).status_code == 400


def test_a_family_that_ends_while_it_is_rotated_has_no_survivor(provider, browser, shop):
    for _ in range(5):
        tokens = provider.tokens(shop, browser)
        last = tokens["refresh_token"]
        revoke = shop.form(token=last)
        calls = [lambda: provider.refresh(shop, last), lambda: provider.post("/o/revoke_token/", revoke)] * 4  # noqa: B023
        with ThreadPoolExecutor(8) as pool:
            answers = [future.result() for future in [pool.submit(call) for call in calls]]
        assert {answer.status_code for answer in answers} <= {200, 400}
        for answer in answers:
            if answer.content and "access_token" in answer.text:
                assert not provider.lets_in(answer.json()["access_token"])
                assert provider.refresh(shop, answer.json()["refresh_token"]).status_code == 400


def test_one_of_many_parallel_redemptions_wins_and_the_replay_takes_it_back(provider, browser, shop):
    code = landed(browser.authorize(client_id=shop.client_id, scope="openid"))["code"]
    answers = at_once(12, lambda: provider.redeem(shop, code))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.json().get("error", "none") for answer in answers} == {"invalid_grant", "none"}
    assert not provider.lets_in(won[0]["access_token"])
    assert provider.refresh(shop, won[0]["refresh_token"]).status_code == 400


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_one_token_ends_what_came_of_the_same_sign_in(provider, browser, shop, till, kind):
    tokens, others = provider.tokens(shop, browser), provider.tokens(shop, browser)
    assert provider.post("/o/revoke_token/", till.form(token=tokens[kind])).status_code == 200
    assert provider.lets_in(tokens["access_token"])
    assert provider.post("/o/revoke_token/", shop.form(token=tokens[kind])).status_code == 200
    assert not provider.lets_in(tokens["access_token"])
    assert provider.refresh(shop, tokens["refresh_token"]).status_code == 400
    assert provider.lets_in(others["access_token"])
    assert provider.post("/o/revoke_token/", shop.form(token="unknown")).status_code == 200


def test_the_database_holds_nothing_that_somebody_could_use(provider, browser, shop, as_operator):
    tokens = provider.tokens(shop, browser)
    secrets = [
        landed(browser.authorize(client_id=shop.client_id, scope="openid"))["code"],
        *(tokens[kind] for kind in ("access_token", "refresh_token", "id_token")),
    ]
    kept = as_operator(EVERY_ROW)
    assert hashlib.sha256(secrets[0].encode()).hexdigest() in kept
    assert not [secret for secret in secrets if secret in kept]


def test_introspection_tells_how_long_each_kind_of_token_is_good_for(provider, browser, shop, script):
    tokens = provider.tokens(shop, browser)
    access = provider.post("/o/introspect/", shop.form(token=tokens["access_token"])).json()
    refresh = provider.post("/o/introspect/", shop.form(token=tokens["refresh_token"])).json()
    assert access["token_type"] == "Bearer"
    assert "token_type" not in refresh
    assert refresh["exp"] - access["exp"] == 30 * 24 * 3600
    assert access["sub"] == refresh["sub"]
    machine = provider.post("/o/token/", script.form(grant_type="client_credentials")).json()
    seen = provider.post("/o/introspect/", script.form(token=machine["access_token"])).json()
    assert seen["username"] == "service-Script"
    provider.post("/o/revoke_token/", shop.form(token=tokens["refresh_token"]))
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert provider.post("/o/introspect/", shop.form(token=token)).json() == {"active": False}


def test_a_deactivated_user_is_out_at_the_next_request_and_renews_nothing(provider, browser, shop, as_operator):
    browser.sign_in(browser.open("/accounts/login/"), "leaver")
    tokens = provider.tokens(shop, browser)
    code = landed(browser.authorize(client_id=shop.client_id, scope="openid"))["code"]
    as_operator('User.objects.filter(username="leaver").update(is_active=False)')
    try:
        assert not provider.lets_in(tokens["access_token"])
        assert provider.refresh(shop, tokens["refresh_token"]).status_code == 400
        assert provider.redeem(shop, code).status_code == 400
        assert provider.post("/o/introspect/", shop.form(token=tokens["access_token"])).json() == {"active": False}
    finally:
        as_operator('User.objects.filter(username="leaver").update(is_active=True)')


MAKE_PERSON = 'User.objects.create_user("{name}", "{name}@example.com", "{password}")'
CHANGES = {
    "set": 'user.set_password("another horse"); user.save()',
    "disabled": "user.set_unusable_password(); user.save()",
    "written": 'User.objects.filter(pk=user.pk).update(password="!")',
    "after-sign-in": (
        "from accounts.roles import RoleBackend; from django.db import transaction; transaction.atomic(lambda: ("
        f'RoleBackend().authenticate(None, user.username, "{PASSWORD}"), user.set_password("another"), user.save()))()'
    ),
}
# As a hasher with fewer rounds would have stored it; the tokens stay valid, since the password does.
OLD_HASH = """
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import transaction
from accounts.roles import QUERIES
from savannah.sql import fetch_value
with transaction.atomic():
    fetch_value(QUERIES.keep_tokens, rehashed="yes")
    User.objects.filter(username="{name}").update(
        password=PBKDF2PasswordHasher().encode("{password}", "saltsaltsaltsaltsaltsalt", iterations=500)
    )
"""
HASH = """
import json
print(json.dumps(User.objects.get(username="{name}").password))
"""


@pytest.mark.parametrize("change", CHANGES)
def test_a_new_password_ends_the_users_tokens_and_nobody_elses(people, provider, shop, as_operator, change):
    person = f"forgetful-{change}"
    as_operator(MAKE_PERSON.format(name=person, password=PASSWORD))
    own = people.manage("token", "--user", person)
    with Browser(people) as window:
        others = provider.tokens(shop, window)
    with Browser(people, person=person) as window:
        tokens, spare = provider.tokens(shop, window), provider.tokens(shop, window)
        renewed = provider.refresh(shop, spare["refresh_token"]).json()
        code = landed(window.authorize(client_id=shop.client_id, scope="openid"))["code"]
    assert all(map(provider.lets_in, (own, tokens["access_token"], renewed["access_token"])))
    as_operator(f'user = User.objects.get(username="{person}"); {CHANGES[change]}')
    assert not any(map(provider.lets_in, (own, tokens["access_token"], renewed["access_token"])))
    for token in (tokens, renewed):
        assert provider.refresh(shop, token["refresh_token"]).json()["error"] == "invalid_grant"
    assert provider.redeem(shop, code).json()["error"] == "invalid_grant"
    assert provider.lets_in(others["access_token"])
    assert provider.refresh(shop, others["refresh_token"]).status_code == 200


def test_the_same_password_hashed_anew_at_a_sign_in_ends_no_tokens(people, provider, shop, as_operator):
    person = {"name": "faithful", "password": PASSWORD}
    as_operator(MAKE_PERSON.format(**person))
    with Browser(people, person="faithful") as window:
        tokens = provider.tokens(shop, window)
    as_operator(OLD_HASH.format(**person))
    old = as_operator(HASH.format(**person))
    with Browser(people, person="faithful") as window:
        provider.tokens(shop, window)
    assert as_operator(HASH.format(**person)) != old
    assert provider.lets_in(tokens["access_token"])
    assert provider.refresh(shop, tokens["refresh_token"]).status_code == 200


def test_a_new_password_leaves_no_token_that_is_rotated_meanwhile(people, provider, shop, as_operator):
    as_operator(MAKE_PERSON.format(name="racing", password=PASSWORD))
    with Browser(people, person="racing") as window:
        held = [provider.tokens(shop, window)["refresh_token"] for _ in range(8)]
    change = f'user = User.objects.get(username="racing"); {CHANGES["set"]}'
    with ThreadPoolExecutor(9) as pool:
        rotated = [pool.submit(provider.refresh, shop, token) for token in held]
        pool.submit(as_operator, change).result()
        answers = [future.result().json() for future in rotated]
    for tokens in answers:
        assert not ("access_token" in tokens and provider.lets_in(tokens["access_token"]))


def test_a_machine_goes_on_when_its_accounts_password_changes(provider, script, as_operator):
    token = provider.post("/o/token/", script.form(grant_type="client_credentials")).json()["access_token"]
    as_operator(f'user = User.objects.get(username="service-Script"); {CHANGES["set"]}')
    assert provider.lets_in(token)


def test_a_machine_gets_no_token_while_its_account_is_deactivated(provider, script, as_operator):
    as_operator('User.objects.filter(username="service-Script").update(is_active=False)')
    try:
        assert provider.post("/o/token/", script.form(grant_type="client_credentials")).status_code in {400, 401}
    finally:
        as_operator('User.objects.filter(username="service-Script").update(is_active=True)')
    assert provider.post("/o/token/", script.form(grant_type="client_credentials")).status_code == 200


def test_a_rotated_key_leaves_what_the_old_one_signed_good(provider, browser, till, people):
    tokens = provider.tokens(till, browser)
    printed = people.manage("rotate_oidc_key")
    published = provider.get("/o/.well-known/jwks.json").json()
    keys = jwt.PyJWKSet.from_dict(published)
    assert printed.startswith(f"{published['keys'][0]['kid']} signs from now on; 1 retired")
    renewed = provider.refresh(till, tokens["refresh_token"]).json()
    for token, key_id in ((tokens["id_token"], 1), (renewed["id_token"], 0), (renewed["access_token"], 0)):
        header = jwt.get_unverified_header(token)
        assert header["kid"] == published["keys"][key_id]["kid"]
        jwt.decode(token, keys[header["kid"]], algorithms=["RS256"], options={"verify_aud": False})
    assert provider.lets_in(renewed["access_token"])
    hint = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "http://client.example/"}
    assert browser.open("/o/logout/", params=hint).headers["Location"] == "http://client.example/"
    with pytest.raises(AssertionError, match="--keep: at least 1"):
        people.manage("rotate_oidc_key", "--keep", "0")
    people.manage("rotate_oidc_key", "--keep", "1")
    assert len(provider.get("/o/.well-known/jwks.json").json()["keys"]) == 2


def test_clients_that_ask_too_often_wait(stranger, settings):
    settings.TOKEN_REQUESTS_PER_MINUTE = 3
    for _ in range(3):
        assert stranger.post("/o/token/", data={"grant_type": "client_credentials"}).status_code == 401
    answer = stranger.post("/o/token/", data={"grant_type": "client_credentials"})
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.json()["error"] == "temporarily_unavailable"
    for endpoint in ("introspect", "revoke_token", "device_authorization"):
        assert stranger.post(f"/o/{endpoint}/").status_code == 429
