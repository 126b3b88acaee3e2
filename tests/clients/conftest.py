"""What every real client needs: a person, and applications registered as `setup_oauth` does it."""

from collections.abc import Callable

import pytest

from accounts.tests.browser import PASSWORD, Browser, Client, register
from accounts.tests.conftest import Provider
from conftest import Service

# In the place of accounts/tests' people: the two folders share one service.
MAKE_USER = f"""
from django.contrib.auth.models import User
User.objects.create_user("zawadi", "zawadi@example.com", "{PASSWORD}", first_name="Zawadi", last_name="Njeri")
"""


@pytest.fixture(scope="session")
def people(service: Service) -> Service:
    service.manage("shell", "-v", "0", "-c", MAKE_USER)
    return service


@pytest.fixture
def browser(people: Service):
    with Browser(people, person="zawadi") as session:
        yield session


@pytest.fixture
def provider(people: Service) -> Provider:
    return Provider(people)


@pytest.fixture(scope="session")
def registered(people: Service) -> Callable[..., Client]:
    """Register an application of a name of its own: `registered("Shop", "--algorithm", "RS256")`."""

    def once(name: str, *options: str, redirect_uri: str = "http://client.example/callback") -> Client:
        return register(people, name, *options, redirect_uri=redirect_uri)

    return once
