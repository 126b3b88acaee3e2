"""The desk's forms: read and check what was typed, and keep it if somebody else has changed the row meanwhile."""

import re
from collections.abc import Mapping
from typing import Any, cast

from django.db import IntegrityError
from django.http import HttpRequest
from rest_framework.exceptions import ValidationError

from savannah.api import Input, validated
from savannah.errors import violated_constraint

_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")


def typed(request: HttpRequest, *names: str) -> dict[str, str]:
    """Return what was typed into each field."""
    return {name: request.POST.get(name, "") for name in names}


def amount_as_typed(text: str) -> str:
    """Return an amount without spaces and thousands separators. Keep any other comma: it may be a decimal one."""
    text = re.sub(r"\s", "", text)
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def where_to_type(names: tuple[str, ...], given: dict[str, Any], faults: dict[str, str]) -> str:
    """Return the field to focus: the first with a fault, else the first empty one, else the first."""
    empty = (name for name in names if not given.get(name))
    return next((name for name in names if name in faults), next(empty, names[0]))


def checked(rules: type[Input], given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields as the API validates them, or the faults by field, in the API's words."""
    try:
        return validated(rules, given), {}
    except ValidationError as error:
        faults = cast("dict[str, list[Any]]", error.detail)
        return {}, {name: str(fault) for name, (fault, *_) in faults.items()}


def constraint_fault(error: IntegrityError, sentences: Mapping[str, tuple[int, str, str]]) -> dict[str, str]:
    """Return the field and the sentence of a violated constraint; raise the error if the constraint has none.

    `sentences` are the `constraints` of an APIView.
    """
    violation = violated_constraint(error)
    if violation not in sentences:
        raise error
    _, sentence, field = sentences[violation]
    return {field: sentence}


def overtaken(
    request: HttpRequest, given: dict[str, str], now: dict[str, Any]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the values that a form which was not saved shows, and which fields somebody else has changed meanwhile.

    The form contains the value that each field had when it was opened (`seen-...`). So a field that the clerk has
    changed keeps the clerk's text, and one that the clerk has not changed shows the current value.
    """
    shown, changes = dict(given), {}
    for name, text in given.items():
        seen, new = request.POST.get(f"seen-{name}", ""), str(now[name])
        if new != seen:
            shown[name] = new if text == seen else text
            changes[name] = {"before": seen, "now": new}
    return shown, changes
