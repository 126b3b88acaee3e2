"""The sms app."""

from django.apps import AppConfig


class SmsConfig(AppConfig):
    """What goes to the phone."""

    name = "sms"
    verbose_name = "SMS"
