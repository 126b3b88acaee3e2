"""The bell: workers hear of what is due once it is committed, and no order's commit waits for that."""

import psycopg
import pytest
from django.db import transaction

from conftest import eventually
from savannah.sql import conninfo
from sms import bell


@pytest.fixture
def heard(transactional_db):
    """How often a worker's connection has heard the bell so far."""
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
