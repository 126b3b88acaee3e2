"""The customers app."""

from django.apps import AppConfig


class CustomersConfig(AppConfig):
    """Who buys."""

    name = "customers"
