"""The public keys of another issuer: fetched in a background thread, and kept while the issuer cannot be reached.

A request whose key is known never waits. One with an unknown key waits for at most TIMEOUT_SECONDS, at most
WAITING_REQUESTS wait at once, and there is one fetch per COOL_DOWN_SECONDS: so neither an issuer that is down nor a
flood of forged tokens slows the service.
"""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import jwt
import orjson
import requests
from django.db import connection

from savannah.sql import fetch_value, load_queries

QUERIES = load_queries(__file__)
logger = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
COOL_DOWN_SECONDS = 30.0
TIMEOUT_SECONDS = 3.0
WAITING_REQUESTS = 4
LONGEST_DOCUMENT = 256 * 1024


class Keys:
    """The key set of one issuer, as this process knows it."""

    def __init__(self, issuer: str, jwks_uri: str, algorithms: Sequence[str]) -> None:
        self._issuer, self._jwks_uri, self._algorithms = issuer, jwks_uri, algorithms
        self._known: dict[tuple[str | None, str], jwt.PyJWK] | None = None
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = threading.Lock()
        self._fetching: threading.Thread | None = None
        self._waiting = threading.BoundedSemaphore(WAITING_REQUESTS)

    def find(self, key_id: str | None, algorithm: str) -> jwt.PyJWK | None:
        """Return the key of this id, for this algorithm; None when the issuer is not known to have one."""
        if self._known is None:
            self._known = self._usable(self._remembered())
        key = self._known.get((key_id, algorithm))
        if key is None or time.monotonic() - self._fetched_at > FRESH_SECONDS:
            fetching = self._fetch_soon()
            if key is None and fetching and self._waiting.acquire(blocking=False):
                try:
                    fetching.join(TIMEOUT_SECONDS)
                finally:
                    self._waiting.release()
                key = self._known.get((key_id, algorithm))
        return key

    def _fetch_soon(self) -> threading.Thread | None:
        """Return the thread that fetches the keys, started if need be; None if the last fetch is too recent."""
        with self._lock:
            if self._fetching and self._fetching.is_alive():
                return self._fetching
            if time.monotonic() - self._tried_at < COOL_DOWN_SECONDS:
                return None
            self._tried_at = time.monotonic()
            self._fetching = threading.Thread(target=self._fetch, name=f"keys of {self._issuer}", daemon=True)
            self._fetching.start()
            return self._fetching

    def _fetch(self) -> None:
        try:
            document = self._ask()
            known = self._usable(document)
        except (requests.RequestException, ValueError, TypeError, KeyError, AttributeError) as error:
            logger.warning("the keys of %s cannot be had (%s)", self._issuer, type(error).__name__)
            return
        self._known, self._fetched_at = known, time.monotonic()
        try:
            fetch_value(QUERIES.remember_keys, issuer=self._issuer, document=orjson.dumps(document).decode())
        finally:
            connection.close()

    def _ask(self) -> dict[str, Any]:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        address = self._jwks_uri
        if not address:
            metadata = _get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration", deadline)
            if metadata["issuer"] != self._issuer:
                raise ValueError("another issuer's metadata")
            address = metadata["jwks_uri"]
        return _get(address, deadline)

    def _remembered(self) -> dict[str, Any]:
        """Return the key set that any process fetched last: a restart while the issuer is down locks nobody out."""
        document: dict[str, Any] = orjson.loads(fetch_value(QUERIES.recall_keys, issuer=self._issuer) or '{"keys": []}')
        return document

    def _usable(self, document: dict[str, Any]) -> dict[tuple[str | None, str], jwt.PyJWK]:
        """Return the document's public signing keys by id and algorithm; a single key also matches no id."""
        keys = [key for key in document["keys"] if key.get("use", "sig") == "sig" and key.get("kty") != "oct"]
        usable = {}
        for key in keys:
            for algorithm in self._algorithms:
                if key.get("alg", algorithm) == algorithm and (made := _make(key, algorithm)):
                    usable[key.get("kid"), algorithm] = made
                    if len(keys) == 1:
                        usable[None, algorithm] = made
        return usable


def _make(key: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    public = {name: value for name, value in key.items() if name not in {"d", "p", "q", "dp", "dq", "qi"}}
    try:
        return jwt.PyJWK.from_dict(public, algorithm)
    except jwt.PyJWTError:
        return None  # the key's type does not fit the algorithm


def _get(address: str, deadline: float) -> dict[str, Any]:
    """Return the JSON object at the address; follow no redirect, and limit the time and the size."""
    body = b""
    with requests.get(address, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as answer:
        if answer.status_code != 200:
            raise ValueError(f"status {answer.status_code}")
        for chunk in answer.iter_content(16 * 1024):
            body += chunk
            if len(body) > LONGEST_DOCUMENT or time.monotonic() > deadline:
                raise ValueError("too long")
    document: dict[str, Any] = orjson.loads(body)
    return document
