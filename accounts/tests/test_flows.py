"""The flows that the specification shows, and those that real clients need."""

import base64
import hashlib
import secrets

import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session

from accounts.tests.browser import CALLBACK, PASSWORD, landed
from conftest import Service


def test_it_publishes_what_the_specification_shows(provider, shop):
    url = provider.url
    document = provider.get("/o/.well-known/openid-configuration").json()
    assert document["issuer"] == f"{url}/o"
    assert document["authorization_endpoint"] == f"{url}/o/authorize/"
    assert document["token_endpoint"] == f"{url}/o/token/"
    assert document["userinfo_endpoint"] == f"{url}/o/userinfo/"
    assert document["jwks_uri"] == f"{url}/o/.well-known/jwks.json"
    assert document["scopes_supported"] == ["openid", "profile", "email"]
    assert document["response_types_supported"] == ["code", "token", "id_token"]
    assert document["subject_types_supported"] == ["public"]
    assert "HS256" in document["id_token_signing_alg_values_supported"]
    key, *_ = provider.get("/o/.well-known/jwks.json").json()["keys"]
    assert key.items() >= {"kty": "RSA", "use": "sig", "e": "AQAB"}.items()
    assert {"kid", "n"} <= set(key)
    assert provider.get("/.well-known/oauth-authorization-server/o").json() == document
    resource = provider.get("/.well-known/oauth-protected-resource/api").json()
    assert resource["authorization_servers"] == [f"{url}/o"]


def test_it_gives_tokens_for_a_code_without_pkce_to_a_confidential_client(provider, browser, shop):
    parameters = landed(
        browser.authorize(client_id=shop.client_id, scope="openid profile email", state="s-1", nonce="n-1")
    )
    assert parameters["state"] == "s-1"
    assert parameters["iss"] == f"{provider.url}/o"
    answer = provider.redeem(shop, parameters["code"])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
    assert tokens["scope"].split() == ["openid", "profile", "email"]
    claims = jwt.decode(tokens["id_token"], shop.secret, algorithms=["HS256"], audience=shop.client_id)
    assert claims["iss"] == f"{provider.url}/o"
    assert claims["nonce"] == "n-1"
    assert claims["preferred_username"] == "amina"
    assert abs(claims["auth_time"] - claims["iat"]) < 60
    assert provider.lets_in(tokens["access_token"])


def test_a_code_whose_request_named_no_redirect_is_redeemed_without_one(provider, browser, shop):
    for redirect_uri, status in ((None, 200), (CALLBACK, 200), (f"{CALLBACK}/more", 400)):
        asked = landed(browser.authorize(client_id=shop.client_id, scope="openid", redirect_uri=None))
        form = {"grant_type": "authorization_code", "code": asked["code"], "redirect_uri": redirect_uri}
        assert provider.post("/o/token/", shop.form(**form)).status_code == status


def test_its_access_tokens_are_jwts_that_its_keys_verify(provider, browser, till):
    tokens = provider.tokens(till, browser)
    keys = jwt.PyJWKSet.from_dict(provider.get("/o/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(tokens["access_token"])
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")
    claims = jwt.decode(
        tokens["access_token"],
        keys[header["kid"]],
        algorithms=["RS256"],
        audience=f"{provider.url}/api",
        issuer=f"{provider.url}/o",
    )
    assert claims["client_id"] == till.client_id
    assert claims["exp"] - claims["iat"] == 3600
    id_header = jwt.get_unverified_header(tokens["id_token"])
    jwt.decode(tokens["id_token"], keys[id_header["kid"]], algorithms=["RS256"], audience=till.client_id)


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", {}),
        ("openid email", {"email": "amina@example.com"}),
        ("openid profile", {"given_name": "Amina", "family_name": "Otieno", "preferred_username": "amina"}),
    ],
)
def test_it_tells_about_the_user_what_the_scope_covers(provider, browser, shop, scope, claims):
    tokens = provider.tokens(shop, browser, scope)
    answer = provider.get("/o/userinfo/", tokens["access_token"])
    body = answer.json()
    assert body.pop("sub").isdecimal()
    assert body == claims
    by_post = provider.post("/o/userinfo/", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert by_post.json() == answer.json()


def test_it_tells_nothing_to_a_token_without_the_openid_scope(provider, browser, shop):
    tokens = provider.tokens(shop, browser, "profile")
    assert "id_token" not in tokens
    answer = provider.get("/o/userinfo/", tokens["access_token"])
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_a_public_client_signs_in_with_pkce_by_authlib(provider, browser, phone_app):
    metadata = provider.get("/o/.well-known/openid-configuration").json()
    verifier = secrets.token_urlsafe(48)
    with OAuth2Session(
        phone_app.client_id,
        redirect_uri=CALLBACK,
        scope="openid profile",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
    ) as client:
        client.trust_env = False
        address, state = client.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="n"
        )
        page = browser.sign_in(browser.open(address))
        answer = browser.submit(page, allow="Authorize")
        token = client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=answer.headers["Location"],
            state=state,
            code_verifier=verifier,
        )
        assert client.get(metadata["userinfo_endpoint"]).json()["preferred_username"] == "amina"
        renewed = client.refresh_token(metadata["token_endpoint"])
        assert renewed["refresh_token"] != token["refresh_token"]
        assert provider.lets_in(renewed["access_token"])
        client.revoke_token(metadata["revocation_endpoint"], renewed["access_token"], token_type_hint="access_token")
        assert not provider.lets_in(renewed["access_token"])


def test_a_confidential_client_may_use_basic_and_pkce(provider, browser, till):
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    parameters = landed(
        browser.authorize(
            client_id=till.client_id, scope="openid", code_challenge=challenge, code_challenge_method="S256"
        )
    )
    form = {
        "grant_type": "authorization_code",
        "code": parameters["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }
    answer = provider.post("/o/token/", form, auth=(till.client_id, till.secret))
    assert answer.status_code == 200, answer.text


def test_a_machine_gets_a_token_and_acts_as_its_own_account(provider, script, as_operator):
    tokens = provider.post("/o/token/", script.form(grant_type="client_credentials")).json()
    assert "refresh_token" not in tokens
    assert tokens["scope"] == "profile email"
    assert provider.lets_in(tokens["access_token"])
    assert provider.get("/o/userinfo/", tokens["access_token"]).status_code == 403
    as_operator('User.objects.filter(username="service-Script").update(is_active=False)')
    assert not provider.lets_in(tokens["access_token"])
    as_operator('User.objects.filter(username="service-Script").update(is_active=True)')
    assert provider.lets_in(tokens["access_token"])


def test_it_asks_for_consent_once_and_again_when_told_to(provider, browser, shop):
    provider.tokens(shop, browser)
    request = {"response_type": "code", "client_id": shop.client_id, "redirect_uri": CALLBACK, "scope": "openid"}
    assert "code" in landed(browser.open("/o/authorize/", params=request))
    assert "code" in landed(browser.open("/o/authorize/", params={**request, "prompt": "none"}))
    page = browser.open("/o/authorize/", params={**request, "prompt": "consent", "approval_prompt": "auto"})
    assert 'name="allow"' in page.text
    denied = landed(browser.submit(page))
    assert denied["error"] == "access_denied"
    assert denied["iss"] == f"{provider.url}/o"


def test_it_asks_to_sign_in_again_when_told_to(provider, browser, shop):
    provider.tokens(shop, browser)
    request = {"response_type": "code", "client_id": shop.client_id, "redirect_uri": CALLBACK, "scope": "openid"}
    page = browser.open("/o/authorize/", params={**request, "prompt": "login"})
    assert "code" in landed(browser.sign_in(page))
    page = browser.open("/o/authorize/", params={**request, "max_age": "0"})
    assert 'name="password"' in page.text
    assert "code" in landed(browser.sign_in(page))
    assert "code" in landed(browser.open("/o/authorize/", params={**request, "max_age": "600"}))


def test_a_hint_about_somebody_else_asks_for_that_person(provider, browser, shop):
    hint = {"id_token_hint": provider.tokens(shop, browser)["id_token"]}
    request = {"response_type": "code", "client_id": shop.client_id, "redirect_uri": CALLBACK, "scope": "openid"}
    assert "code" in landed(browser.open("/o/authorize/", params={**request, **hint}))
    browser.cookies.clear()
    browser.sign_in(browser.open("/accounts/login/"), "leaver")
    silent = landed(browser.open("/o/authorize/", params={**request, **hint, "prompt": "none"}))
    assert silent["error"] == "login_required"
    page = browser.open("/o/authorize/", params={**request, **hint})
    assert "code" in landed(browser.sign_in(page))


def test_prompt_none_shows_no_page(provider, browser, shop, till):
    request = {
        "response_type": "code",
        "client_id": till.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid profile",
        "prompt": "none",
        "state": "s",
    }
    answer = landed(browser.open("/o/authorize/", params=request))
    assert answer == {"error": "login_required", "state": "s", "iss": f"{provider.url}/o"}
    provider.tokens(shop, browser)
    stale = landed(browser.open("/o/authorize/", params={**request, "client_id": shop.client_id, "max_age": "0"}))
    assert stale["error"] == "login_required"


def test_prompt_none_asks_for_no_consent(provider, browser, till):
    browser.sign_in(browser.open("/accounts/login/"), "leaver")
    request = {"response_type": "code", "client_id": till.client_id, "redirect_uri": CALLBACK, "scope": "openid"}
    answer = landed(browser.open("/o/authorize/", params={**request, "prompt": "none", "state": "s"}))
    assert answer == {"error": "consent_required", "state": "s", "iss": f"{provider.url}/o"}


def test_an_id_token_after_a_refresh_claims_no_new_sign_in(provider, browser, till):
    tokens = provider.tokens(till, browser)
    renewed = provider.refresh(till, tokens["refresh_token"]).json()
    claims = jwt.decode(renewed["id_token"], options={"verify_signature": False})
    assert "auth_time" not in claims
    assert claims["sub"] == jwt.decode(tokens["id_token"], options={"verify_signature": False})["sub"]


def test_a_client_sees_its_own_tokens_alone(provider, browser, shop, till):
    tokens = provider.tokens(shop, browser)
    seen = provider.post("/o/introspect/", shop.form(token=tokens["access_token"])).json()
    assert seen.items() >= {"active": True, "client_id": shop.client_id, "username": "amina"}.items()
    assert provider.post("/o/introspect/", till.form(token=tokens["access_token"])).json() == {"active": False}
    assert provider.post("/o/introspect/", shop.form(token="nonsense")).json() == {"active": False}
    assert provider.post("/o/introspect/", {**shop.form(token="x"), "client_secret": "no"}).status_code == 401
    assert provider.get("/o/introspect/").status_code == 405


def test_logout_ends_the_session_and_this_clients_tokens_alone(provider, browser, shop, till):
    ours, others = provider.tokens(shop, browser), provider.tokens(till, browser)
    parameters = {"id_token_hint": ours["id_token"], "post_logout_redirect_uri": "http://client.example/", "state": "s"}
    answer = browser.open("/o/logout/", params=parameters)
    assert answer.headers["Location"] == "http://client.example/?state=s"
    assert not provider.lets_in(ours["access_token"])
    assert provider.refresh(shop, ours["refresh_token"]).status_code == 400
    assert provider.lets_in(others["access_token"])
    page = browser.open(
        "/o/authorize/",
        params={"response_type": "code", "client_id": shop.client_id, "scope": "openid", "redirect_uri": CALLBACK},
    )
    assert 'name="password"' in page.text


def signed_in(browser) -> bool:
    return "sessionid" in browser.cookies


def test_logout_asks_when_nobody_says_who(browser, shop, provider):
    provider.tokens(shop, browser)
    page = browser.open("/o/logout/")
    assert page.status_code == 200
    assert 'name="allow"' in page.text
    assert browser.submit(page).status_code == 400
    browser.submit(page, allow="1")
    assert (
        'name="password"'
        in browser.open(
            "/o/authorize/",
            params={"response_type": "code", "client_id": shop.client_id, "scope": "openid", "redirect_uri": CALLBACK},
        ).text
    )


def test_setup_oauth_prints_what_the_specification_shows_and_changes_nothing_twice(people):
    first = people.manage("setup_oauth", "--name", "Twice").splitlines()
    assert first[0] == "OAuth2 Application created successfully!"
    assert first[1].startswith("Client ID: ")
    assert first[2].startswith("Client Secret: ")
    assert first[3:] == ["Authorization Grant Type: authorization-code", "Client Type: confidential"]
    again = people.manage("setup_oauth", "--name", "Twice").splitlines()
    assert again[0] == 'An OAuth2 Application named "Twice" is there already; nothing was changed.'
    assert again[1] == first[1]
    assert first[2] not in again


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--client-credentials", "--public"], "exclude each other"),
        (["--user", "amina"], "--user goes with --client-credentials"),
        (["--scope", "openid everything"], "There is no scope everything"),
        (["--client-credentials", "--user", "nobody"], "There is no user nobody"),
        (["--redirect-uri", "javascript:alert(1)"], "redirect uri"),
        (["--public", "--algorithm", "HS256"], "HS256"),
    ],
)
def test_setup_oauth_refuses_what_is_not_sound(people, options, sentence):
    with pytest.raises(AssertionError, match=sentence):
        people.manage("setup_oauth", "--name", "Unsound", *options)


def test_a_token_in_one_line(people, provider):
    assert provider.lets_in(people.manage("token"))
    assert provider.lets_in(people.manage("token", "--user", "amina", "--hours", "0.1"))
    with pytest.raises(AssertionError, match="There is no active user nobody"):
        people.manage("token", "--user", "nobody")


def test_a_command_that_comes_before_the_tables_says_so_in_a_line(tmp_path):
    unmigrated = Service(tmp_path)
    for command in ("token", "setup_oauth", "upkeep"):
        with pytest.raises(
            AssertionError, match=r"\AThe database lacks tables\. Run `python manage\.py migrate`.*\n +\n"
        ):
            unmigrated.manage(command)


def test_the_admin_lists_applications_without_their_secrets(as_operator, browser, shop):
    as_operator(f'User.objects.create_superuser("root", "r@example.com", "{PASSWORD}")')
    page = browser.open("/admin/login/?next=/admin/accounts/application/")
    page = browser.submit(page, username="root", password=PASSWORD)
    assert shop.client_id in page.text
    detail = browser.open("/admin/accounts/application/1/change/")
    assert detail.status_code == 200
    assert shop.secret not in detail.text
    assert browser.open("/admin/accounts/application/add/").status_code == 403
