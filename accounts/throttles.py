"""Rate limits of the API, per user, and per address for invalid tokens: API_REQUESTS_PER_MINUTE, 0 for no limit."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from savannah.throttle import client_network, take

if TYPE_CHECKING:
    from rest_framework.views import APIView  # imports this module, by DEFAULT_THROTTLE_CLASSES


class PerUser(BaseThrottle):
    """Answers 429 with Retry-After to a user who asks too often; all tokens of a user count together."""

    _seconds = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request, unless there is no limit."""
        if settings.API_REQUESTS_PER_MINUTE and request.user:
            self._seconds = take(f"api user {request.user.id}", per_minute=settings.API_REQUESTS_PER_MINUTE)
        return not self._seconds

    def wait(self) -> float:
        """Return the seconds to wait."""
        return self._seconds


def count_stranger(request: Request) -> None:
    """Count an invalid token against the address that sent it; raise Throttled (429) above the limit."""
    if settings.API_REQUESTS_PER_MINUTE:
        key = f"api address {client_network(request)}"
        if seconds := take(key, per_minute=settings.API_REQUESTS_PER_MINUTE):
            raise Throttled(seconds)
