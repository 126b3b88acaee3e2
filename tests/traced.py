"""The WSGI application, with coverage in granian's threads: they are Rust's, and threading.settrace() misses them.

It waits for other issuers' keys, and for the first of two clicks, as long as a busy machine takes.
"""

import sys
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from savannah.wsgi import application as untraced

# Once Django is set up.
from accounts import issuer_keys  # isort: skip
from desk import placing  # isort: skip

issuer_keys.TIMEOUT_SECONDS = placing.TWIN_WAITS_SECONDS = 60.0


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve the request; a thread that serves its first one is traced like those that Python starts."""
    if sys.gettrace() is None:
        sys.settrace(threading.gettrace())
    return untraced(environ, start_response)
