"""Users of the desk by role, a customer, and helpers that read the desk's pages."""

import re

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, User
from django.test import Client

from customers.models import Customer
from orders.models import Order
from sms.models import Message


def person_with_role(role: str) -> Client:
    user = User.objects.create_user(role, f"{role}@example.com", "!", first_name=role.title())
    user.groups.add(Group.objects.get(name=role))
    return signed_in(user)


def signed_in(user: User) -> Client:
    """Return a client with a session of the user, without signing in: hashing a password takes long."""
    client = Client()
    session = client.session
    backend = settings.AUTHENTICATION_BACKENDS[-1]
    session.update(
        {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: user.get_session_auth_hash()}
    )
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return client


@pytest.fixture
def manager(db) -> Client:
    return person_with_role("manager")


@pytest.fixture
def clerk(db) -> Client:
    return person_with_role("clerk")


@pytest.fixture
def viewer(db) -> Client:
    return person_with_role("viewer")


@pytest.fixture
def wanjiku(db) -> Customer:
    return Customer.objects.create(code="WAN01", name="Wanjiku Kamau", phone_number="+254712345678")


def placed(customer: Customer, item: str = "Maize flour") -> Order:
    """Make an order with its queued SMS by the ORM: a request that places an order closes its connection, which would
    end the test's transaction."""
    order = Order.objects.create(customer=customer, item=item, amount=2280)
    Message.objects.create(order_id=order.pk, phone_number=customer.phone_number, body=f"Hello {customer.name}!")
    order.refresh_from_db()
    return order


def names(answer) -> list[str]:
    """Return the names of items or customers that a page shows."""
    return re.findall(r'<span class="name">(.*?)</span>', answer.content.decode(), re.DOTALL)


def cursor_in(answer) -> list[str]:
    """Return the names of the fields with autofocus: a browser focuses the first."""
    return re.findall(r'<input [^>]*name="(\w+)"[^>]* autofocus', answer.content.decode())


def opened(client: Client, address: str) -> dict[str, str]:
    """Open a page with a form, and return the form's fields with their values."""
    return fields_of(client.get(address).content.decode())


def fields_of(page: str) -> dict[str, str]:
    """Return the fields of a page's form, including the hidden ones."""
    inputs = (dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input [^>]*>", page))
    return {field["name"]: field.get("value", "") for field in inputs if field.get("name", "q") != "q"}
