"""How pages refuse.

They answer 400 to values that they cannot use, as the API does: a bad value is not an error of the service. An address
that only takes forms answers 405 by a page to whoever opens it.
"""

import logging
from collections.abc import Callable

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.template.loader import render_to_string
from unfold.admin import ModelAdmin

from savannah.errors import answer_bad_request

logger = logging.getLogger(__name__)


class Refusals:
    """Middleware: answers 400 to a value that no column can store (mostly NUL), or that is not a valid key.

    It also gives Django's empty 405 a page.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed) and not response.content:
            response.content = render_to_string("405.html", request=request)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 400 if a view failed because of a value; any other exception is an error of the service (500)."""
        if not isinstance(exception, (DataError, ValidationError)):
            return None
        logger.info("a value cannot be used (%s)", type(exception).__name__)
        return answer_bad_request(request, exception)


class Chosen(ModelAdmin):  # type: ignore[misc]
    """An admin list whose actions accept only valid keys."""

    def response_action(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse | None:
        """Run the action; raise ValidationError for a selected value that is not a key."""
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            self.model._meta.pk.to_python(key)
        response: HttpResponse | None = super().response_action(request, queryset)
        return response
