"""The orders app."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """What was bought."""

    name = "orders"
