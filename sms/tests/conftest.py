"""Fixtures of the outbox: messages, and the addresses that the gateway posts to."""

from collections.abc import Callable

import pytest
from django.conf import settings as django_settings

from sms.models import Message

PHONE = "+254712345678"


@pytest.fixture
def queue(transactional_db) -> Callable[..., Message]:
    """Put a message into the outbox; keyword arguments set its columns."""

    def put(phone_number: str = PHONE, body: str = "Hello", **columns: object) -> Message:
        message = Message.objects.create(phone_number=phone_number, body=body, **columns)
        message.refresh_from_db()
        return message

    return put


@pytest.fixture
def post(stranger) -> Callable[..., int]:
    """Post a form as the gateway does; return the status."""

    def send(path: str, secret: str | None = None, **form: str) -> int:
        secret = django_settings.SMS_CALLBACK_SECRET if secret is None else secret
        return stranger.post(f"/api/sms/{path}/{secret}/", data=form).status_code

    return send
