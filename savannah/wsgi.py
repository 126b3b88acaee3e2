"""The WSGI application that granian serves."""

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "savannah.settings")
django.setup(set_prefix=False)

from savannah.bodies import read_bodies  # noqa: E402 - these imports need Django to be set up
from savannah.express import express  # noqa: E402
from savannah.listener import notice_lost_clients  # noqa: E402
from savannah.utf8 import Handler  # noqa: E402

_SCHEME, _, _NETLOC = settings.PUBLIC_URL.partition("://")
_PUBLIC = {"wsgi.url_scheme": _SCHEME, "HTTP_X_FORWARDED_PROTO": _SCHEME, "HTTP_HOST": _NETLOC}
_answer = read_bodies(express(Handler()))


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request. Behind our proxies it counts as sent to PUBLIC_URL, whatever Host the proxy sends."""
    notice_lost_clients()
    if settings.TRUSTED_PROXIES:
        environ.update(_PUBLIC)
    return _answer(environ, start_response)
