"""What every API view shares: fields, rights, answers. Imports no app."""

import re
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.views import APIView as DRFView

from savannah.errors import NO_FIELD
from savannah.media import LengthRequired, OrjsonRenderer, printable
from savannah.text import UNSTORABLE, holds_unstorable

RENDERER = OrjsonRenderer()


class Text(serializers.CharField):
    """A JSON string (never a number or a boolean), trimmed, not blank."""

    default_error_messages = {
        "invalid": "must be a string.",
        "null": "must not be null.",
        "blank": "must not be blank.",
        "max_length": "must have no more than {max_length} characters.",
        "unstorable": UNSTORABLE,
    }

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the trimmed text, or what a subclass makes of it; fail for any other JSON type."""
        if not isinstance(data, str):
            is_empty, default = self.validate_empty_values(data)
            return default if is_empty else self.fail("invalid")
        text = data.strip()
        if not text:
            self.fail("blank")
        if holds_unstorable(text):
            self.fail("unstorable")
        value = self.to_internal_value(text)
        if self.max_length and len(value) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return value

    def to_internal_value(self, data: str) -> str:
        """Return the text as it is."""
        return data


class Input(serializers.Serializer[Any]):
    """The fields that a request may have. An unknown field is an error that names it."""

    unknown = "unknown"

    def run_validation(self, data: Any = serializers.empty) -> dict[str, Any]:
        """Validate each field; refuse unknown fields and an update without fields. The error names every fault.

        Every order passes here, so this skips what DRF also does for forms, nested objects and models.
        """
        if self.partial and not data:
            raise exceptions.ValidationError({NO_FIELD: ["No field to update was given."]})
        fields, values = self._fields_by_name, {}
        unknown = exceptions.ErrorDetail("is unknown.", code=self.unknown)
        faults: dict[str, Any] = {printable(name): [unknown] for name in data if name not in fields}
        for name, field in fields.items():
            try:
                values[name] = field.run_validation(data.get(name, serializers.empty))
            except serializers.SkipField:
                pass
            except exceptions.ValidationError as error:
                faults[name] = error.detail
        if faults:
            raise exceptions.ValidationError(faults)
        return values

    @cached_property
    def _fields_by_name(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return dict(self.fields)


class APIView(DRFView):
    """A view that says for each method what it does (`actions`) and which right it needs (`rights`).

    `constraints` maps the name of a violated constraint to the status, the sentence, and the field at fault (or "").
    A method without a right is for administrators only.
    """

    actions: Mapping[str, str] = {}
    rights: Mapping[str, str] = {}
    constraints: Mapping[str, tuple[int, str, str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check the caller, the right and the rate. Skips DRF's formats and versions: this API has one of each."""
        request.accepted_renderer, request.accepted_media_type = RENDERER, RENDERER.media_type
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)

    @property
    def default_response_headers(self) -> dict[str, str]:
        """The headers of every answer, including a 405."""
        return dict(headers_of(type(self)))  # type: ignore[arg-type]  # a class has a hash


@cache
def headers_of(view_class: type[APIView]) -> Mapping[str, str]:
    """Return the headers of every answer of a view."""
    view = view_class()
    view.setup(HttpRequest())  # gives a view that answers GET its HEAD
    return {"Allow": ", ".join(view.allowed_methods)}


def rights_on(model: str) -> dict[str, str]:
    """Return the right that each method needs on a model: `rights_on("orders.order")["POST"]` is "orders.add_order"."""
    app_label, name = model.split(".")
    actions = {"GET": "view", "POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
    return {method: f"{app_label}.{action}_{name}" for method, action in actions.items()}


def require_right(request: Request, right: str) -> None:
    """Refuse (403) a caller without this right, which the request needs in addition to the method's own."""
    caller: Any = request.user
    if not caller.has_right(right):
        raise exceptions.PermissionDenied(f"You need the right {right}, and your role does not give it.")


def checked(input_class: type[Input], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """Return the request's validated fields; raise ValidationError (400), or LengthRequired (411) for chunks."""
    if "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower():
        # DRF treats a body of unknown length as an empty one.
        raise LengthRequired
    fields: Any = request.data
    return validated(input_class, fields, partial=partial)


def validated(input_class: type[Input], given: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """Return the validated fields of `given`; raise ValidationError (400)."""
    fields: dict[str, Any] = _rules(input_class, partial).run_validation(given)
    return fields


@cache
def _rules(input_class: type[Input], partial: bool) -> Input:
    # Cached: creating a serializer takes longer than validating an order, and validation does not change it.
    return input_class(partial=partial)


def prefers(environ: Mapping[str, str], preference: str) -> bool:
    """Whether a request's Prefer header names the preference (RFC 7240)."""
    given = environ.get("HTTP_PREFER", "").lower().split(",")
    return any(re.split("[;=]", part, maxsplit=1)[0].strip() == preference for part in given)


def uuid_or_404(text: str, error: str) -> UUID:
    """Return `text` as a UUID; raise NotFound (404) with `error` if it is not one."""
    try:
        if len(text) == 36:
            return UUID(text)
    except ValueError:
        pass
    raise exceptions.NotFound(error)


def found(document: str | None, error: str) -> HttpResponse:
    """Answer with a document that PostgreSQL wrote as JSON text; None is a 404 with `error`."""
    if document is None:
        raise exceptions.NotFound(error)
    return HttpResponse(document, content_type="application/json")


def created(document: str) -> HttpResponse:
    """Answer 201 with the document of the new row."""
    return HttpResponse(document, content_type="application/json", status=201)
