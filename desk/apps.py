"""The desk: pages for the people at the counter and for those who run the service."""

from django.apps import AppConfig


class DeskConfig(AppConfig):
    """Imported by nothing; it calls what the API calls."""

    name = "desk"
