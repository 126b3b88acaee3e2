"""Request bodies: short ones are read before the request is handled, and only a limited number at the same time.

A client that sends slowly, or never stops, occupies a thread. The limit keeps other threads free, so that requests
without a body are always answered. If a body is left unread, the server closes the connection, sometimes without
notice, and the client's next request on it fails (RFC 9112, section 9.3): so short bodies are read whatever the answer.
"""

import threading
import time
from collections.abc import Iterable
from http import HTTPStatus
from io import BytesIO
from typing import BinaryIO
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import orjson
from django.conf import settings

from savannah.errors import error_body
from savannah.headers import OF_DATA
from savannah.watch import name_request, note

# How long a request waits until its body may be read. Reading a body that has arrived takes microseconds.
LONGEST_WAIT_SECONDS = 0.5
RETRY_AFTER_SECONDS = 5


def read_bodies(application: WSGIApplication) -> WSGIApplication:
    """Read short bodies before calling the application, in at most a quarter of the threads.

    Long bodies (mostly uploads) are read while they are processed, in at most an eighth: they do not block orders.
    """
    of_short = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 4))
    of_long = threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 8))

    def reading(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chunked, length = "HTTP_TRANSFER_ENCODING" in environ, environ.get("CONTENT_LENGTH") or "0"
        if length == "0" and not chunked:
            return application(environ, start_response)
        is_long = chunked or not length.isdecimal() or int(length) > settings.API_MAX_BODY_BYTES
        readers = of_long if is_long else of_short
        if not readers.acquire(timeout=LONGEST_WAIT_SECONDS):
            return _refuse(environ, start_response)
        try:
            if is_long:
                return application(environ, start_response)
            environ["wsgi.input"] = BytesIO(_read(environ["wsgi.input"], int(length)))
        finally:
            readers.release()
        return application(environ, start_response)

    return reading


def _read(stream: BinaryIO, length: int) -> bytes:
    try:
        return stream.read(length)
    except OSError:
        # The client has disconnected. The parser reports the missing bytes.
        return b""


def _refuse(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    started, id_ = time.perf_counter(), name_request(environ)
    status = HTTPStatus.SERVICE_UNAVAILABLE
    body = orjson.dumps(error_body("Too many requests are being read: try again."))
    headers = {
        **OF_DATA,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Retry-After": str(RETRY_AFTER_SECONDS),
        "X-Request-ID": id_,
        # The body is unread, so the connection cannot be reused.
        "Connection": "close",
    }
    start_response(f"{status.value} {status.phrase}", list(headers.items()))
    note(environ["REQUEST_METHOD"], "no route", status.value, time.perf_counter() - started)
    return [body]
