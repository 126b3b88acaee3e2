"""Access tokens of other issuers: which are accepted, with which rights, and what happens while an issuer is down."""

import base64
import hmac
import json
import re
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.contrib.auth.models import Group, User
from django.core.exceptions import ImproperlyConfigured

from accounts import issuers
from accounts.issuer_keys import WAITING_REQUESTS
from accounts.models import Identity
from accounts.tests.foreign import AUDIENCE, ForeignIssuer
from conftest import Api, eventually

TABLE = {"tills": "clerk", "head office": "manager"}


@pytest.fixture(autouse=True)
def a_busy_machine_may_take_its_time(monkeypatch):
    monkeypatch.setattr("accounts.issuer_keys.TIMEOUT_SECONDS", 60.0)
    monkeypatch.setattr("accounts.issuer_keys.COOL_DOWN_SECONDS", 600.0)


@pytest.fixture(scope="module")
def shared_issuer():
    issuer = ForeignIssuer()
    yield issuer
    issuer.close()


@pytest.fixture
def trust(settings):
    """Accept the issuer's tokens; keyword arguments are further settings of it."""

    def configure(issuer: ForeignIssuer, **entry) -> None:
        settings.OIDC_ISSUERS = json.dumps({issuer.url: {"audience": AUDIENCE, **entry}})

    return configure


@pytest.fixture
def keycloak(shared_issuer, trust):
    trust(shared_issuer, roles=TABLE)
    return shared_issuer


@pytest.fixture
def call(live_server, transactional_db):
    """Ask the API for something with a token."""

    def ask(token: str, method: str = "GET", path: str = "/api/customers/", **options):
        with Api(live_server.url, token) as session:
            return session.request(method, path, **options)

    return ask


def no_entry(answer) -> bool:
    body = {"detail": "Authentication credentials were not provided."}
    assert (answer.status_code, answer.json()) == (401, body)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    return True


def test_it_lets_a_user_of_another_issuer_in_with_the_rights_of_their_groups(call, keycloak):
    token = keycloak.token(groups=["tills", "choir"], email_verified=True)
    assert call(token).status_code == 200
    customer = {"code": "C", "name": "N", "phone_number": "+254712345678"}
    made = call(token, "POST", json=customer).json()
    refused = call(token, "DELETE", f"/api/customers/{made['id']}/")
    assert "customers.delete_customer" in refused.json()["error"]
    user = Identity.objects.get(issuer=keycloak.url, subject="4711").user
    assert (user.username, user.first_name, user.email) == ("wanjiru@127.0.0.1", "Wanjiru", "wanjiru@example.com")
    assert not user.has_usable_password()
    promoted = keycloak.token(groups="head office")
    assert call(promoted, "DELETE", f"/api/customers/{made['id']}/").status_code == 204
    entries = call(promoted, path=f"/api/audit/?subject=customers&subject_id={made['id']}").json()
    assert {(entry["actor"], entry["client"]) for entry in entries} == {("wanjiru@127.0.0.1", "till")}
    assert User.objects.count() == 1


@pytest.mark.parametrize("verified", [None, False, "true"])
def test_an_address_that_its_issuer_has_not_verified_is_not_kept(call, keycloak, verified):
    call(keycloak.token(email_verified=verified))
    assert User.objects.get().email == ""


def test_who_is_in_no_group_of_the_table_may_nothing_unless_they_have_a_role_here(call, keycloak):
    assert call(keycloak.token()).status_code == 403
    user = Identity.objects.get().user
    user.groups.add(Group.objects.get(name="viewer"))
    assert call(keycloak.token()).status_code == 200
    assert not User.objects.get(pk=user.pk).has_perm("customers.delete_customer")


def test_without_a_table_its_users_have_the_default_role(call, shared_issuer, trust):
    trust(shared_issuer)
    assert call(shared_issuer.token(groups=["anything"])).status_code == 200


@pytest.mark.parametrize(
    ("groups_claim", "claims"),
    [
        ("realm_access.roles", {"realm_access": {"roles": ["tills"]}}),
        ("https://shop.example/roles", {"https://shop.example/roles": ["tills"]}),
        ("roles", {"roles": ["tills", 7, None]}),
    ],
)
def test_the_groups_stand_where_the_issuer_puts_them(call, shared_issuer, trust, groups_claim, claims):
    trust(shared_issuer, roles=TABLE, groups_claim=groups_claim)
    assert call(shared_issuer.token(**claims)).status_code == 200
    assert call(shared_issuer.token(**{groups_claim: {"x": 1}, "realm_access": "x"})).status_code == 403


@pytest.mark.parametrize(
    "scope", [{"scope": "openid orders:read"}, {"scp": ["orders:read", 1]}, {"scp": "orders:read"}]
)
def test_its_scopes_limit_its_tokens_too(call, keycloak, scope):
    token = keycloak.token(groups=["head office"], **scope)
    assert call(token, path="/api/orders/").status_code == 200
    assert 'scope="customers:read"' in call(token).headers["WWW-Authenticate"]


@pytest.mark.parametrize("unstorable", ["\x00", "\ud800"], ids=["NUL", "lone surrogate"])
def test_a_name_that_cannot_be_stored_keeps_nobody_out(call, keycloak, unstorable):
    names = {
        "preferred_username": f"wan{unstorable}jiru",
        "given_name": f"Wan{unstorable}jiru",
        "email": f"wan{unstorable}jiru@example.com",
        "azp": f"ti{unstorable}ll",
    }
    assert call(keycloak.token(groups=["tills"], email_verified=True, **names)).status_code == 200
    assert User.objects.get().first_name.replace("?", "") == "Wanjiru"


@pytest.mark.parametrize("subject", ["47\x0011", "47\ud80011"], ids=["NUL", "lone surrogate"])
def test_a_subject_that_cannot_be_stored_is_nobodys(call, keycloak, subject):
    assert no_entry(call(keycloak.token(groups=["tills"], sub=subject)))
    assert not Identity.objects.exists()


def test_users_are_told_apart_by_issuer_and_sub_alone(call, keycloak):
    User.objects.create_user("wanjiru@127.0.0.1", "wanjiru@example.com")
    for subject in ("4711", "4712", "4711"):
        assert call(keycloak.token(sub=subject, groups=["tills"], email_verified=True)).status_code == 200
    names = {identity.subject: identity.user.username for identity in Identity.objects.select_related("user")}
    assert set(names) == {"4711", "4712"}
    assert all(name.startswith("wanjiru.") for name in names.values())
    assert len(set(names.values())) == 2


def test_many_first_requests_at_once_make_one_user(call, keycloak):
    token = keycloak.token(groups=["tills"])
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(call(token).status_code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 8
    assert User.objects.count() == 1


def test_a_deactivated_user_stays_out(call, keycloak):
    token = keycloak.token(groups=["tills"])
    assert call(token).status_code == 200
    User.objects.update(is_active=False)
    assert no_entry(call(token))


STRANGE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another-api"},
        {"aud": None},
        {"aud": [f"{AUDIENCE}.evil"]},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"nbf": 2**33},
        {"sub": None},
        {"sub": ""},
        {"sub": "s" * 256},
        {"sub": 4711},
        {"nonce": "n"},
        {"at_hash": "h"},
        {"typ": "ID"},
        {"typ": "Refresh"},
        {"headers": {"typ": "logout+jwt"}},
        {"headers": {"kid": "nobody"}},
        {"headers": {"kid": "shared"}},
        {"headers": {"kid": "e"}},
        {"headers": {"crit": ["x"], "x": 1}},
        {"key": STRANGE_KEY},
        {"key": STRANGE_KEY, "algorithm": "PS256"},
        {"key": ec.generate_private_key(ec.SECP256R1()), "algorithm": "ES256"},
        {"key": "secret", "algorithm": "HS256", "headers": {"kid": "shared"}},
        {"key": None, "algorithm": "RS512"},
    ],
    ids=lambda change: re.sub(r"<.*?(\w+) object at \w+>", r"\1", str(change)),
)
def test_a_token_that_is_not_an_access_token_of_the_issuer_for_us_gets_nobody_in(call, keycloak, change):
    token = keycloak.token(**{"groups": ["tills"], **change})
    assert no_entry(call(token))
    assert not User.objects.exists()


def test_clocks_may_differ_by_less_than_a_minute(call, keycloak):
    now = int(time.time())
    assert no_entry(call(keycloak.token(groups=["tills"], iat=now - 360, exp=now - 60)))
    assert no_entry(call(keycloak.token(groups=["tills"], nbf=now + 600)))


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_a_token_that_names_no_algorithm_gets_nobody_in(call, keycloak):
    claims = json.dumps({"iss": keycloak.url}).encode()
    assert no_entry(call(".".join(map(part, (b"{}", claims, b"x")))))


def test_neither_an_unsigned_token_nor_one_signed_with_the_public_key_gets_anybody_in(call, keycloak):
    public = next(iter(keycloak.keys.values())).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    claims = part(json.dumps(keycloak.claims(groups=["tills"])).encode())
    signing = part(b'{"alg": "HS256", "kid": "key-1"}') + f".{claims}"
    assert no_entry(call(f"{signing}.{part(hmac.digest(pem, signing.encode(), 'sha256'))}"))
    assert no_entry(call(part(b'{"alg": "none", "kid": "key-1"}') + f".{claims}."))


def test_an_issuer_with_one_key_need_not_name_it(call, keycloak):
    ((_, key),) = keycloak.keys.items()
    assert call(jwt.encode(keycloak.claims(groups=["tills"]), key, "RS256")).status_code == 200


@pytest.mark.parametrize(
    "token", ["a.b.c", "..", "eyJ.eyJ.x", "a" * 9000, f"{'[' * 3000}.x.y", "e30.e30.e30", "e30.W10.x"]
)
def test_what_is_no_token_at_all_gets_nobody_in(call, keycloak, token):
    assert no_entry(call(token))


def test_a_new_key_counts_at_once_and_an_old_one_no_longer(call, trust, monkeypatch):
    issuer = ForeignIssuer()
    trust(issuer)
    old = issuer.token()
    assert call(old).status_code == 200
    issuer.rotate("key-2")
    # The issuer was asked a moment ago.
    assert no_entry(call(issuer.token()))
    monkeypatch.setattr("accounts.issuer_keys.COOL_DOWN_SECONDS", 0.0)
    assert call(issuer.token()).status_code == 200
    assert no_entry(call(old))
    issuer.close()


def test_a_dead_issuer_locks_nobody_out_whose_key_is_known_even_after_a_restart(call, trust, monkeypatch):
    issuer = ForeignIssuer()
    trust(issuer)
    token = issuer.token()
    assert call(token).status_code == 200
    issuer.close()
    monkeypatch.setattr("accounts.issuer_keys.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("accounts.issuer_keys.COOL_DOWN_SECONDS", 0.0)
    assert [call(token).status_code for _ in range(3)] == [200] * 3
    # Another process has read nothing yet: it finds the key set that this one fetched.
    trust(issuer, groups_claim="another")
    assert call(token).status_code == 200


def test_a_dead_issuer_and_made_up_tokens_slow_down_nobody_else(call, live_server, token, trust):
    """While the issuer is silent, every request is answered except the few that wait for its keys."""
    issuer = ForeignIssuer()
    trust(issuer)
    issuer.silent.set()
    threads = [threading.Thread(target=lambda: no_entry(call(issuer.token()))) for _ in range(12)]
    for thread in threads:
        thread.start()
    with Api(live_server.url, token) as session:
        assert session.get("/api/customers/").status_code == 200
    eventually(lambda: sum(thread.is_alive() for thread in threads) == WAITING_REQUESTS)
    assert eventually(lambda: len(issuer.asked) == 1)
    issuer.silent.clear()
    for thread in threads:
        thread.join()
    issuer.silent.set()
    assert no_entry(call(issuer.token()))
    assert len(issuer.asked) == 1
    issuer.close()


@pytest.mark.parametrize(
    "spoil",
    [
        {"issuer": "https://evil.example"},
        {"jwks_uri": None},
        {"jwks_uri": "http://127.0.0.1:1/keys"},
        {"jwks_uri": "{url}/missing"},
        {"jwks_uri": "{url}/moved"},
        {"jwks_uri": "{url}/endless"},
    ],
)
def test_metadata_that_is_not_sound_gives_no_keys(call, trust, spoil):
    issuer = ForeignIssuer()
    trust(issuer)
    issuer.metadata.update({name: value and value.format(url=issuer.url) for name, value in spoil.items()})
    assert no_entry(call(issuer.token()))
    trust(issuer, jwks_uri=f"{issuer.url}/keys")
    assert call(issuer.token()).status_code == 200
    assert "/keys" in issuer.asked
    issuer.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON"),
        ("[]", "has to be an object"),
        ('{"https://i.example": {}}', 'needs an "audience"'),
        ('{"https://i.example": {"audience": "a", "url": "x", "secret": 1}}', "unknown settings: secret, url"),
        ('{"http://i.example": {"audience": "a"}}', "is not an https:// address"),
        ('{"https://i.example": {"audience": "a", "jwks_uri": "file:///etc/passwd"}}', "is not an https:// address"),
        ('{"https://i.example": {"audience": "a", "algorithms": ["HS256"]}}', "algorithms have to be"),
        ('{"https://i.example": {"audience": "a", "algorithms": "RS256"}}', "algorithms have to be"),
        ('{"https://i.example": {"audience": "a", "roles": {"g": 1}}}', "roles have to map"),
        ('{"https://i.example": {"audience": "a", "groups_claim": 1}}', "groups_claim has to be"),
        ('{"http://localhost:8000/o": {"audience": "a"}}', "is this service itself"),
    ],
)
def test_a_setting_that_is_not_sound_stops_the_start_with_a_sentence(settings, text, sentence):
    settings.OIDC_ISSUERS = text
    with pytest.raises(ImproperlyConfigured, match=sentence):
        issuers.check_settings()
