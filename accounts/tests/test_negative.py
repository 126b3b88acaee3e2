"""What a hostile client, page or person may try. None of it succeeds, and none of it causes a 5xx.

One table per endpoint: what is tried, and how it is refused.
"""

import base64
import hashlib
import secrets
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from accounts.tests.browser import CALLBACK, PASSWORD, Browser, landed

NUL = "a\x00b"
LONG = "x" * 20_000
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
EVIL = "http://evil.example/callback"


@pytest.fixture(scope="module")
def visitor(people, shop, till, phone_app):
    """A person who is signed in, and has consented to each application before."""
    with Browser(people) as browser:
        browser.printed_before = len(people.printed)
        for client in (shop, till):
            code(browser, client)
        code(browser, phone_app, code_challenge=CHALLENGE, code_challenge_method="S256")
        yield browser


def code(browser: Browser, client, **fields: str) -> str:
    return landed(browser.authorize(client_id=client.client_id, scope="openid profile", **fields))["code"]


# --- the authorization endpoint ---------------------------------------------------------------------------------------

NO_REDIRECT = "shown to the person, sent nowhere"
AUTHORIZATION = {
    "no client": ({"client_id": None}, NO_REDIRECT),
    "unknown client": ({"client_id": "nobody"}, NO_REDIRECT),
    "NUL in the client": ({"client_id": NUL}, NO_REDIRECT),
    "20 kB of client": ({"client_id": LONG}, NO_REDIRECT),
    "two clients": ({"client_id": ["SHOP", "nobody"]}, NO_REDIRECT),
    "redirect to another host": ({"redirect_uri": EVIL}, NO_REDIRECT),
    "redirect to a longer host": ({"redirect_uri": "http://client.example.evil.example/callback"}, NO_REDIRECT),
    "redirect with user info": ({"redirect_uri": "http://client.example@evil.example/callback"}, NO_REDIRECT),
    "redirect with a backslash": ({"redirect_uri": "http://evil.example\\@client.example/callback"}, NO_REDIRECT),
    "redirect to another scheme": ({"redirect_uri": "https://client.example/callback"}, NO_REDIRECT),
    "redirect to no port": ({"redirect_uri": "http://client.example:-1/callback"}, NO_REDIRECT),
    "redirect to another port": ({"redirect_uri": "http://client.example:81/callback"}, NO_REDIRECT),
    "redirect to a longer path": ({"redirect_uri": f"{CALLBACK}/more"}, NO_REDIRECT),
    "redirect up the path": ({"redirect_uri": f"{CALLBACK}/../evil"}, NO_REDIRECT),
    "redirect to a path in capitals": ({"redirect_uri": "http://client.example/CALLBACK"}, NO_REDIRECT),
    "redirect with a query": ({"redirect_uri": f"{CALLBACK}?next={EVIL}"}, NO_REDIRECT),
    "redirect with a fragment": ({"redirect_uri": f"{CALLBACK}#x"}, NO_REDIRECT),
    "redirect to a script": ({"redirect_uri": "javascript:alert(1)"}, NO_REDIRECT),
    "redirect to data": ({"redirect_uri": "data:text/html,x"}, NO_REDIRECT),
    "redirect without a scheme": ({"redirect_uri": "//client.example/callback"}, NO_REDIRECT),
    "redirect to a path": ({"redirect_uri": "/callback"}, NO_REDIRECT),
    "redirect with a header in it": ({"redirect_uri": f"{CALLBACK}\r\nSet-Cookie: a=b"}, NO_REDIRECT),
    "redirect with a NUL": ({"redirect_uri": CALLBACK + "\x00"}, NO_REDIRECT),
    "two redirects": ({"redirect_uri": [CALLBACK, EVIL]}, NO_REDIRECT),
    "implicit token": ({"response_type": "token"}, "unauthorized_client"),
    "implicit ID token": ({"response_type": "id_token"}, "unauthorized_client"),
    "hybrid": ({"response_type": "code id_token"}, "unauthorized_client"),
    "hybrid token": ({"response_type": "code token"}, "unauthorized_client"),
    "no response": ({"response_type": "none"}, "unauthorized_client"),
    "unknown response": ({"response_type": "everything"}, "unsupported_response_type"),
    "unknown scope": ({"scope": "openid everything"}, "invalid_scope"),
    "scope with markup": ({"scope": "openid <script>"}, "invalid_scope"),
    "NUL in the scope": ({"scope": NUL}, NO_REDIRECT),
    "20 kB of scope": ({"scope": LONG}, NO_REDIRECT),
    "NUL in the nonce": ({"nonce": NUL}, NO_REDIRECT),
    "20 kB of nonce": ({"nonce": LONG}, NO_REDIRECT),
    "NUL in the state": ({"state": NUL}, NO_REDIRECT),
    "20 kB of state": ({"state": LONG}, NO_REDIRECT),
    "plain PKCE": ({"code_challenge": VERIFIER, "code_challenge_method": "plain"}, "invalid_request"),
    "PKCE without a method": ({"code_challenge": VERIFIER}, "invalid_request"),
    "unknown PKCE": ({"code_challenge": VERIFIER, "code_challenge_method": "S512"}, "invalid_request"),
    "20 kB of PKCE": ({"code_challenge": LONG, "code_challenge_method": "S256"}, NO_REDIRECT),
    "another API": ({"resource": "https://api.evil.example/"}, "invalid_target"),
    "claims that are no JSON": ({"claims": "{"}, NO_REDIRECT),
    "claims that are a list": ({"claims": "[1]"}, NO_REDIRECT),
    "a request object": ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    "a request object elsewhere": ({"request_uri": "http://evil.example/"}, "request_uri_not_supported"),
    "an answer in the fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "silence and a sign-in": ({"prompt": "none login"}, "invalid_request"),
    "a new account": ({"prompt": "create"}, NO_REDIRECT),
}


@pytest.mark.parametrize(("change", "refusal"), AUTHORIZATION.values(), ids=AUTHORIZATION)
def test_an_authorization_that_is_not_sound(visitor, provider, shop, change, refusal):
    request = {
        "response_type": "code",
        "client_id": shop.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": "s",
        **change,
    }
    answer = visitor.open("/o/authorize/", params=request)
    if refusal == NO_REDIRECT:
        assert 400 <= answer.status_code < 500
        assert "Location" not in answer.headers
        return
    told = landed(answer)
    assert told["error"] == refusal
    assert told["state"] == "s"
    assert told["iss"] == f"{provider.url}/o"
    assert "code" not in told


@pytest.mark.parametrize(
    "query", ["client_id=%zz", "client_id=%ff%fe", "%00=1", "client_id[]=x&&&", "=", "a=" + "%41" * 900]
)
def test_a_query_that_is_none(visitor, query):
    answer = visitor.get(f"{visitor.home}/o/authorize/?{query}", allow_redirects=False, timeout=60)
    assert 400 <= answer.status_code < 500


def test_a_public_client_without_pkce(visitor, phone_app):
    answer = landed(visitor.authorize(client_id=phone_app.client_id, scope="openid"))
    assert answer["error"] == "invalid_request"


def test_a_machine_that_asks_for_a_person(visitor, script):
    answer = visitor.open("/o/authorize/", params={"response_type": "code", "client_id": script.client_id})
    assert 400 <= answer.status_code < 500


# --- the consent page, sign-in and log-out ----------------------------------------------------------------------------

CONSENT = {
    "for another client": {"client_id": "nobody"},
    "for a client with a NUL": {"client_id": NUL},
    "to another redirect": {"redirect_uri": EVIL},
    "to another redirect, for what is none": {"redirect_uri": EVIL, "resource": "x"},
    "for half an address": {"resource": "http://["},
    "for an unknown scope": {"scope": "openid everything"},
    "by another response type": {"response_type": "token"},
    "without a client": {"client_id": ""},
    "without a redirect": {"redirect_uri": ""},
    "with a script for a redirect": {"redirect_uri": "javascript:alert(1)"},
    "with an unknown PKCE": {"code_challenge": "x" * 43, "code_challenge_method": "x" * 400},
    "with claims that are no JSON": {"claims": "{"},
}


@pytest.mark.parametrize("change", CONSENT.values(), ids=CONSENT)
def test_a_consent_that_was_tampered_with(visitor, till, change):
    request = {"response_type": "code", "client_id": till.client_id, "redirect_uri": CALLBACK, "scope": "openid"}
    page = visitor.open("/o/authorize/", params={**request, "prompt": "consent"})
    assert 'name="allow"' in page.text
    answer = visitor.submit(page, allow="Authorize", **change)
    assert answer.status_code < 500
    assert "evil" not in answer.headers.get("Location", "")
    assert "code=" not in answer.headers.get("Location", "")


def test_a_no_that_is_to_lead_elsewhere(visitor, till):
    request = {"response_type": "code", "client_id": till.client_id, "redirect_uri": CALLBACK, "scope": "openid"}
    page = visitor.open("/o/authorize/", params={**request, "prompt": "consent"})
    answer = visitor.submit(page, redirect_uri=EVIL)
    assert answer.status_code == 400
    assert "Location" not in answer.headers


def test_a_person_who_says_no(visitor, till):
    request = {"response_type": "code", "client_id": till.client_id, "redirect_uri": CALLBACK, "scope": "openid"}
    page = visitor.open("/o/authorize/", params={**request, "prompt": "consent"})
    assert landed(visitor.submit(page))["error"] == "access_denied"


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/o/authorize/", "/o/logout/", "/o/device/", "/o/consents/", "/accounts/logout/"]
)
def test_a_form_that_another_site_sends(visitor, path):
    headers = {"Origin": "http://evil.example"}
    answer = visitor.post(visitor.home + path, data={"allow": "1", "username": "amina"}, headers=headers, timeout=60)
    assert answer.status_code == 403
    assert "sessionid" in visitor.cookies


@pytest.mark.parametrize(
    "address",
    [EVIL, "//evil.example", "https:evil.example", "/\\evil.example", "javascript:alert(1)", "http:///evil.example"],
)
def test_a_sign_in_that_is_to_lead_elsewhere(people, address):
    with Browser(people) as browser:
        page = browser.open("/accounts/login/", params={"next": address})
        answer = browser.sign_in(page)
        assert "evil" not in answer.headers.get("Location", "")
        assert answer.url.startswith(browser.home)


def forged(**claims) -> str:
    return jwt.encode({"sub": "1", "exp": time.time() + 600, **claims}, None, algorithm="none")


LOGOUT = {
    "to another site": lambda client: {"client_id": client.client_id, "post_logout_redirect_uri": EVIL},
    "to a script": lambda client: {"client_id": client.client_id, "post_logout_redirect_uri": "javascript:alert(1)"},
    "to nobody's site": lambda client: {"post_logout_redirect_uri": "http://client.example/"},
    "of an unknown client": lambda client: {"client_id": "nobody"},
    "with a hint that is none": lambda client: {"id_token_hint": "x.y.z"},
    "with a hint nobody signed": lambda client: {"id_token_hint": forged(aud=client.client_id)},
    "with a hint for a number": lambda client: {"id_token_hint": forged(aud=5)},
    "with a hint for a NUL": lambda client: {"id_token_hint": forged(aud=NUL)},
    "to half an address": lambda client: {"client_id": client.client_id, "post_logout_redirect_uri": "http://["},
    "to a port in words": lambda client: {
        "client_id": client.client_id,
        "post_logout_redirect_uri": "http://client.example:http/",
    },
    "with a NUL": lambda client: {"client_id": NUL},
    "with 20 kB": lambda client: {"id_token_hint": LONG},
}


@pytest.mark.parametrize("attempt", LOGOUT.values(), ids=LOGOUT)
def test_a_log_out_that_is_not_sound(visitor, shop, attempt):
    answer = visitor.open("/o/logout/", params=attempt(shop))
    assert 400 <= answer.status_code < 500
    assert "Location" not in answer.headers
    assert "sessionid" in visitor.cookies


# --- the token endpoint -----------------------------------------------------------------------------------------------

TOKEN = {
    "a wrong secret": ({"client_secret": "wrong"}, 401, "invalid_client"),
    "no secret": ({"client_secret": None}, 401, "invalid_client"),
    "an empty secret": ({"client_secret": ""}, 401, "invalid_client"),
    "NUL in the secret": ({"client_secret": NUL}, 400, "invalid_request"),
    "20 kB of secret": ({"client_secret": LONG}, 400, "invalid_request"),
    "an unknown client": ({"client_id": "nobody"}, 401, "invalid_client"),
    "no client": ({"client_id": None}, 401, "invalid_client"),
    "two secrets": ({"client_secret": ["wrong", "right"]}, 400, "invalid_request"),
    "an unknown code": ({"code": "unknown"}, 400, "invalid_grant"),
    "no code": ({"code": None}, 400, "invalid_request"),
    "NUL in the code": ({"code": NUL}, 400, "invalid_request"),
    "20 kB of code": ({"code": LONG}, 400, "invalid_request"),
    "another redirect": ({"redirect_uri": EVIL}, 400, "invalid_grant"),
    "no redirect": ({"redirect_uri": None}, 400, "invalid_grant"),
    "an empty redirect": ({"redirect_uri": ""}, 400, "invalid_grant"),
    "a verifier without a challenge": ({"code_verifier": VERIFIER}, 400, "invalid_grant"),
    "no grant type": ({"grant_type": None}, 400, "unsupported_grant_type"),
    "an unknown grant type": ({"grant_type": "everything"}, 400, "unsupported_grant_type"),
    "a person's password": (
        {"grant_type": "password", "username": "amina", "password": PASSWORD},
        400,
        "unauthorized_client",
    ),
    "a machine's grant": ({"grant_type": "client_credentials"}, 400, "unauthorized_client"),
    "a device's grant": (
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "x"},
        400,
        "unauthorized_client",
    ),
    "an assertion": ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, 400, "unsupported_grant_type"),
    "another API": ({"resource": "https://api.evil.example/"}, 400, "invalid_target"),
    "a refresh token that is none": ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
    "NUL in a refresh token": ({"grant_type": "refresh_token", "refresh_token": NUL}, 400, "invalid_request"),
    "no refresh token": ({"grant_type": "refresh_token"}, 400, "invalid_request"),
}


@pytest.mark.parametrize("attempt", TOKEN.values(), ids=TOKEN)
def test_a_code_that_is_not_redeemed(visitor, provider, shop, attempt):
    change, status, error = attempt
    sound = shop.form(grant_type="authorization_code", code=code(visitor, shop), redirect_uri=CALLBACK)
    form = {name: value for name, value in {**sound, **change}.items() if value is not None}
    answer = provider.post("/o/token/", form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "access_token" not in answer.text


BASIC = {
    "wrong": lambda client: base64.b64encode(f"{client.client_id}:wrong".encode()),
    "no base64": lambda client: b"%%%",
    "no colon": lambda client: base64.b64encode(client.client_id.encode()),
    "no UTF-8": lambda client: base64.b64encode(b"\xff:\xfe"),
    "NUL": lambda client: base64.b64encode(f"{client.client_id}\x00:{client.secret}".encode()),
    "empty": lambda client: b"",
}


@pytest.mark.parametrize("credentials", BASIC.values(), ids=BASIC)
def test_basic_credentials_that_are_no_good(visitor, provider, till, credentials):
    form = {"grant_type": "authorization_code", "code": code(visitor, till), "redirect_uri": CALLBACK}
    headers = {"Authorization": b"Basic " + credentials(till)}
    answer = provider.post("/o/token/", form, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_code_of_another_client(visitor, provider, shop, till):
    assert provider.redeem(till, code(visitor, shop)).json()["error"] == "invalid_grant"


def test_a_code_in_another_case(visitor, provider, shop):
    assert provider.redeem(shop, code(visitor, shop).swapcase()).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("verifier", [None, "", "w" * 50, CHALLENGE, VERIFIER[:-1], VERIFIER.upper(), NUL, LONG])
def test_a_code_without_its_verifier(visitor, provider, phone_app, verifier):
    given = code(visitor, phone_app, code_challenge=CHALLENGE, code_challenge_method="S256")
    fields = {} if verifier is None else {"code_verifier": verifier}
    answer = provider.redeem(phone_app, given, **fields)
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_grant", "invalid_request"}


def test_credentials_in_the_query(visitor, provider, shop):
    form = shop.form(grant_type="authorization_code", code=code(visitor, shop), redirect_uri=CALLBACK)
    assert provider.post("/o/token/", params=form).status_code == 400
    assert provider.post("/o/token/", form, params={"code": form["code"]}).status_code == 400


def test_a_token_request_that_is_no_form(visitor, provider, shop):
    form = shop.form(grant_type="authorization_code", code=code(visitor, shop), redirect_uri=CALLBACK)
    assert provider.post("/o/token/", json=form).status_code == 400
    assert provider.session.get(f"{provider.url}/o/token/", params=form, timeout=60).status_code == 405
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert provider.post("/o/token/", data=b"--x\r\nbroken", headers=broken).status_code == 400


def test_refresh_tokens_are_each_clients_own_and_never_widen(visitor, provider, shop, till):
    tokens = provider.redeem(shop, code(visitor, shop)).json()
    assert provider.refresh(till, tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert provider.refresh(shop, tokens["access_token"]).json()["error"] == "invalid_grant"
    wider = shop.form(grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope="openid orders:write")
    assert provider.post("/o/token/", wider).json()["error"] == "invalid_scope"
    assert provider.lets_in(tokens["access_token"])


@pytest.mark.parametrize("scope", ["openid", "profile", "openid profile"])
def test_a_refresh_that_gets_rid_of_its_limits(visitor, provider, shop, scope):
    """By asking for less: a token without any API scope would have full access."""
    limited = landed(visitor.authorize(client_id=shop.client_id, scope="openid profile orders:read"))
    tokens = provider.redeem(shop, limited["code"]).json()
    form = shop.form(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert provider.post("/o/token/", {**form, "scope": scope}).json()["error"] == "invalid_scope"
    narrower = provider.post("/o/token/", {**form, "scope": "orders:read"}).json()
    assert provider.get("/api/customers/", narrower["access_token"]).status_code == 403
    assert provider.get("/api/orders/", narrower["access_token"]).status_code == 200


@pytest.mark.parametrize("scope", ["openid", "everything", NUL, LONG])
def test_a_machine_that_asks_for_too_much(provider, script, scope):
    answer = provider.post("/o/token/", script.form(grant_type="client_credentials", scope=scope))
    assert answer.status_code == 400
    assert answer.json()["error"] in {"invalid_scope", "invalid_request"}


@pytest.mark.parametrize("path", ["/o/introspect/", "/o/revoke_token/", "/o/device_authorization/"])
@pytest.mark.parametrize("fields", [{}, {"client_id": "nobody", "token": "x"}, {"token": NUL}, {"token": LONG}])
def test_what_clients_call_without_saying_who_they_are(provider, path, fields):
    answer = provider.post(path, fields)
    assert answer.status_code in {400, 401}
    assert "active" not in answer.text
    assert provider.get(path).status_code == 405


# --- the API and userinfo ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def loot(visitor, people, shop, till):
    """What an attacker may hold: real tokens of both kinds of client, and the public keys."""
    from accounts.tests.conftest import Provider  # noqa: PLC0415 - a fixture of a function's scope does not serve here

    provider = Provider(people)
    tokens = {
        name: provider.redeem(client, code(visitor, client)).json() for name, client in (("s", shop), ("t", till))
    }
    public = jwt.PyJWKSet.from_dict(provider.get("/o/.well-known/jwks.json").json()).keys[0]
    return {**tokens, "code": code(visitor, shop), "secret": shop.secret, "public": public, "url": provider.url}


def again(token: str, key, algorithm: str, **changes) -> str:
    """The token's claims, changed and signed anew."""
    claims = jwt.decode(token, options={"verify_signature": False}) | changes
    headers = {"kid": jwt.get_unverified_header(token).get("kid"), "typ": "at+jwt"}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def tampered(token: str) -> str:
    head, body, signature = token.split(".")
    return ".".join([head, body, ("B" if signature[0] != "B" else "C") + signature[1:]])


def hmac_with_public_key(token: str, public) -> str:
    """Algorithm confusion by hand: PyJWT itself refuses to sign with a public key."""
    import hmac  # noqa: PLC0415

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    pem = public.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"at+jwt"}').rstrip(b"=")
    signed = head + b"." + token.split(".")[1].encode()
    return (signed + b"." + base64.urlsafe_b64encode(hmac.digest(pem, signed, "sha256")).rstrip(b"=")).decode()


BEARER = {
    "nothing": lambda loot: "",
    "a word": lambda loot: "token",
    "no JWT": lambda loot: "eyxx.yy.zz",
    "20 kB": lambda loot: LONG[:7000],
    "an ID token, HS256": lambda loot: loot["s"]["id_token"],
    "an ID token, RS256": lambda loot: loot["t"]["id_token"],
    "a refresh token": lambda loot: loot["s"]["refresh_token"],
    "a code": lambda loot: loot["code"],
    "a client's secret": lambda loot: loot["secret"],
    "a changed signature": lambda loot: tampered(loot["s"]["access_token"]),
    "no signature": lambda loot: loot["s"]["access_token"].rpartition(".")[0] + ".",
    "alg none": lambda loot: again(loot["s"]["access_token"], None, "none"),
    "a client's secret as key": lambda loot: again(loot["s"]["access_token"], loot["secret"], "HS256", sub="1"),
    "the public key as secret": lambda loot: hmac_with_public_key(loot["s"]["access_token"], loot["public"]),
    "a foreign key": lambda loot: again(
        loot["s"]["access_token"], rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256"
    ),
    "in capitals": lambda loot: loot["s"]["access_token"].swapcase(),
    "two tokens": lambda loot: f"{loot['s']['access_token']} {loot['t']['access_token']}",
    "a token and more": lambda loot: loot["s"]["access_token"] + "x",
    "a token, quoted": lambda loot: f'"{loot["s"]["access_token"]}"',
    "random bytes": lambda loot: secrets.token_hex(64),
    "no ASCII": lambda loot: "\u00e9\u00e9",
}


@pytest.mark.parametrize("path", ["/api/customers/", "/o/userinfo/"])
@pytest.mark.parametrize("token", BEARER.values(), ids=BEARER)
def test_a_token_that_is_none(provider, loot, path, token):
    headers = {"Authorization": f"Bearer {token(loot)}".encode()}
    answer = provider.session.get(provider.url + path, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Authentication credentials were not provided."})
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


ELSEWHERE = {
    "in the query": lambda token: {"params": {"access_token": token}},
    "in a form": lambda token: {"data": {"access_token": token}},
    "in a cookie": lambda token: {"cookies": {"access_token": token, "Authorization": f"Bearer {token}"}},
    "by another scheme": lambda token: {"headers": {"Authorization": f"Token {token}"}},
    "without a scheme": lambda token: {"headers": {"Authorization": token}},
    "in another header": lambda token: {"headers": {"X-Authorization": f"Bearer {token}"}},
    "as a password": lambda token: {"auth": ("amina", token)},
}


@pytest.mark.parametrize("path", ["/api/customers/", "/o/userinfo/"])
@pytest.mark.parametrize("request_with", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_token_in_the_wrong_place(provider, loot, path, request_with):
    answer = provider.session.request(
        "POST" if "data" in request_with("") else "GET",
        provider.url + path,
        timeout=60,
        **request_with(loot["s"]["access_token"]),
    )
    assert answer.status_code == 401


def test_a_session_is_no_token(visitor):
    assert visitor.get(f"{visitor.home}/api/customers/", timeout=60).status_code == 401
    assert visitor.get(f"{visitor.home}/o/userinfo/", timeout=60).status_code == 401


# --- and what the log has of all that ---------------------------------------------------------------------------------


def test_no_secret_is_in_the_log(people, visitor, loot):
    for known in (loot["secret"], loot["s"]["access_token"], loot["s"]["refresh_token"], loot["code"], PASSWORD):
        assert known not in people.printed
    assert "Traceback" not in people.printed[visitor.printed_before :]
