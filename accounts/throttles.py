"""How often a user, or a stranger's address, may call the API: API_REQUESTS_PER_MINUTE, 0 for as often as they like."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from savannah.throttle import client_network, take

if TYPE_CHECKING:
    from rest_framework.views import APIView  # imports this module, by DEFAULT_THROTTLE_CLASSES


class PerUser(BaseThrottle):
    """429 with Retry-After to a user who asks too often, with whatever token."""

    _seconds = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request, unless nothing limits it."""
        if settings.API_REQUESTS_PER_MINUTE and request.user:
            self._seconds = take(f"api user {request.user.id}", per_minute=settings.API_REQUESTS_PER_MINUTE)
        return not self._seconds

    def wait(self) -> float:
        """Return the seconds to wait."""
        return self._seconds


def count_stranger(request: Request) -> None:
    """Count a token that is no good against the address that sent it; raise Throttled (429) for one too many."""
    if settings.API_REQUESTS_PER_MINUTE:
        key = f"api address {client_network(request)}"
        if seconds := take(key, per_minute=settings.API_REQUESTS_PER_MINUTE):
            raise Throttled(seconds)
