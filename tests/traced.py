"""The WSGI application, with coverage in granian's threads: they are Rust's, and threading.settrace() misses them.

It waits for other issuers' keys for as long as a busy machine takes.
"""

import sys
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from accounts import issuer_keys
from savannah.wsgi import application as untraced

issuer_keys.TIMEOUT_SECONDS = 60.0


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Serve the request; a thread that serves its first one is traced like those that Python starts."""
    if sys.gettrace() is None:
        sys.settrace(threading.gettrace())
    return untraced(environ, start_response)
