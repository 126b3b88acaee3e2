"""What a page cannot use of what it was sent: 400, as in the API. Nothing of ours is broken by it."""

import logging
from collections.abc import Callable

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from unfold.admin import ModelAdmin

from savannah.errors import answer_bad_request

logger = logging.getLogger(__name__)


class Refusals:
    """Middleware: a value that no column can hold (NUL above all), or that is no key of a table."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 400 to what a view raised because of a value; the rest is a fault of ours."""
        if not isinstance(exception, (DataError, ValidationError)):
            return None
        logger.info("a value cannot be used (%s)", type(exception).__name__)
        return answer_bad_request(request, exception)


class Chosen(ModelAdmin):  # type: ignore[misc]
    """A list in the admin: what is chosen there for an action has to be keys."""

    def response_action(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse | None:
        """Do it; raise ValidationError for what is none."""
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            self.model._meta.pk.to_python(key)
        response: HttpResponse | None = super().response_action(request, queryset)
        return response
