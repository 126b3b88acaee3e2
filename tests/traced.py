"""The WSGI application with coverage in granian's threads, which Rust creates and threading.settrace() misses.

Its timeouts for other issuers' keys, and for the first of two clicks, are long enough for a busy machine.
"""

import sys
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from savannah.wsgi import application as untraced

# These need Django to be set up.
from accounts import issuer_keys  # isort: skip
from desk import placing  # isort: skip

issuer_keys.TIMEOUT_SECONDS = placing.TWIN_WAITS_SECONDS = 60.0


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve the request; at a thread's first request, trace it like the threads that Python starts."""
    if sys.gettrace() is None:
        sys.settrace(threading.gettrace())
    return untraced(environ, start_response)
