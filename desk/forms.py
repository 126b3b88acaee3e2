"""What is typed into a form of the desk: read, checked, and kept when somebody else was faster."""

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
    """Return an amount without the spaces and commas between its thousands. Any other comma may be a decimal one."""
    text = re.sub(r"\s", "", text)
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def where_to_type(names: tuple[str, ...], given: dict[str, Any], faults: dict[str, str]) -> str:
    """Return the field that the cursor belongs in: the first at fault, else the first empty one, else the first."""
    empty = (name for name in names if not given.get(name))
    return next((name for name in names if name in faults), next(empty, names[0]))


def checked(rules: type[Input], given: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields as the API takes them, or else what is wrong with them, by field, in the API's words."""
    try:
        return validated(rules, given), {}
    except ValidationError as error:
        faults = cast("dict[str, list[Any]]", error.detail)
        return {}, {name: str(fault) for name, (fault, *_) in faults.items()}


def constraint_fault(error: IntegrityError, sentences: Mapping[str, tuple[int, str, str]]) -> dict[str, str]:
    """Return what a violated constraint says of which field; raise the error when it says nothing.

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
    """Return what a form shows that was not saved, and what somebody else has made of which field meanwhile.

    The form carries each field as it was when it was opened (`seen-...`), so that both changes can be told apart: the
    clerk's own text stays, and a field that the clerk left alone is as it is now.
    """
    shown, changes = dict(given), {}
    for name, text in given.items():
        seen, new = request.POST.get(f"seen-{name}", ""), str(now[name])
        if new != seen:
            shown[name] = new if text == seen else text
            changes[name] = {"before": seen, "now": new}
    return shown, changes
