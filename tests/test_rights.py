"""Every address of the API names the right that each of its methods needs."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission
from django.urls import URLPattern, get_resolver
from rest_framework.permissions import IsAuthenticated

from savannah.api import APIView


def addresses(patterns, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry
        else:
            yield from addresses(entry.url_patterns, route)


VIEWS = {
    route: view
    for route, entry in addresses(get_resolver().url_patterns)
    if issubclass(view := getattr(entry.callback, "view_class", object), APIView)
    and IsAuthenticated not in view.permission_classes
}


@pytest.mark.django_db
@pytest.mark.parametrize("route", VIEWS)
def test_it_names_a_right_that_there_is(route):
    view = VIEWS[route]
    for method in ("get", "post", "put", "patch", "delete"):
        if hasattr(view, method):
            app_label, codename = view.rights[method.upper()].split(".")
            assert Permission.objects.filter(content_type__app_label=app_label, codename=codename).exists()
