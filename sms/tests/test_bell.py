"""The bell: it notifies the workers of a message once that is committed, and not before."""

import psycopg
import pytest
from django.db import transaction

from conftest import eventually
from savannah.sql import conninfo
from sms import bell


@pytest.fixture
def heard(transactional_db):
    """How many notifications a worker's connection got since the last call."""
    with psycopg.connect(conninfo("savannah test"), autocommit=True) as connection:
        connection.execute("LISTEN sms_due")
        yield lambda: len(list(connection.notifies(timeout=0.05)))


def test_workers_hear_of_an_order_that_was_placed(heard, api, customer, settings):
    settings.SMS_WAIT_SECONDS = 0.0
    api.post("/api/orders/", json={"customer_code": "CUST001", "item": "Tea", "amount": 5})
    eventually(heard)


def test_it_rings_only_once_the_transaction_is_committed(heard):
    with transaction.atomic():
        bell.ring_when_committed()
        assert not heard()
    eventually(heard)
