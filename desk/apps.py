"""The desk: pages for the people at the counter and for those who run the service."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    """No other app imports this one; it uses the functions and statements of the API."""

    name = "desk"
