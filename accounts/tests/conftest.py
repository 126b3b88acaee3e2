"""Fixtures of the provider's tests: a person, and applications of each kind, registered once."""

import json

import pytest
import requests
from django.db import connection

from accounts.tests.browser import CALLBACK, PASSWORD, Browser, Client, landed, register
from conftest import Service

MAKE_USERS = f"""
from django.contrib.auth.models import User
User.objects.create_user("amina", "amina@example.com", "{PASSWORD}", first_name="Amina", last_name="Otieno")
User.objects.create_user("leaver", "leaver@example.com", "{PASSWORD}")
# This person has consented to no application.
User.objects.create_user("stranger", "stranger@example.com", "{PASSWORD}")
"""


@pytest.fixture(scope="session")
def people(service: Service) -> Service:
    service.manage("shell", "-c", MAKE_USERS)
    return service


@pytest.fixture(scope="session")
def shop(people: Service) -> Client:
    """What `setup_oauth` makes: confidential, HS256, no PKCE."""
    return register(people, "Shop")


@pytest.fixture(scope="session")
def till(people: Service) -> Client:
    """Confidential, RS256."""
    return register(people, "Till", "--algorithm", "RS256")


@pytest.fixture(scope="session")
def phone_app(people: Service) -> Client:
    """Public: PKCE, RS256."""
    return register(people, "Phone app", "--public")


@pytest.fixture(scope="session")
def script(people: Service) -> Client:
    """A machine with an account of its own."""
    return register(people, "Script", "--client-credentials")


@pytest.fixture(scope="session")
def scale(people: Service) -> Client:
    """A public device: it cannot keep a secret."""
    return register(people, "Scale", "--device", "--public")


@pytest.fixture
def browser(people: Service):
    with Browser(people) as session:
        yield session


class Provider:
    """The provider's endpoints as a client calls them."""

    def __init__(self, service: Service) -> None:
        self.url = f"http://localhost:{service.port}"
        self.session = requests.Session()
        self.session.trust_env = False

    def post(self, path: str, data=None, **options) -> requests.Response:
        return self.session.post(self.url + path, data=data, timeout=60, **options)

    def get(self, path: str, token: str | None = None, **options) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.session.get(self.url + path, headers=headers, timeout=60, **options)

    def redeem(self, client: Client, code: str, **fields: str) -> requests.Response:
        form = client.form(grant_type="authorization_code", code=code, redirect_uri=CALLBACK, **fields)
        return self.post("/o/token/", form)

    def refresh(self, client: Client, refresh_token: str) -> requests.Response:
        return self.post("/o/token/", client.form(grant_type="refresh_token", refresh_token=refresh_token))

    def tokens(self, client: Client, browser: Browser, scope: str = "openid profile email", **fields: str) -> dict:
        code = landed(browser.authorize(client_id=client.client_id, scope=scope, **fields))["code"]
        answer = self.redeem(client, code)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def lets_in(self, token: str) -> bool:
        answer = self.get("/api/customers/", token)
        if answer.status_code == 200:
            return True
        body = answer.json()
        assert (answer.status_code, body) == (401, {"detail": "Authentication credentials were not provided."})
        return False


@pytest.fixture
def provider(people: Service) -> Provider:
    return Provider(people)


@pytest.fixture
def as_operator(people: Service):
    """Run Python in the service's own shell, as an operator would; returns what it prints, as JSON."""

    def run(code: str):
        printed = people.manage("shell", "-v", "0", "-c", f"from django.contrib.auth.models import User\n{code}")
        return json.loads(printed) if printed else None

    return run


@pytest.fixture
def clean_throttles(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE throttles")
