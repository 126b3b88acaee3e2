"""The sms app."""

from django.apps import AppConfig


class SmsConfig(AppConfig):
    """SMS: the outbox, the worker that sends them, and the gateway's callbacks."""

    name = "sms"
    verbose_name = "SMS"
