"""The audit: who changed what, and when.

PostgreSQL's triggers write it (accounts/migrations), so that no way to change a row gets past it: the API, the admin, a
command, an operator's psql. The Python side says who acts, and notes who signed in.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, migrations, transaction
from django.http import HttpRequest, HttpResponseBase

from savannah.sql import ACTOR, fetch_one, load_queries
from savannah.throttle import client_address

QUERIES = load_queries(__file__)


def audited(
    table: str, *, left_out: Sequence[str] = (), masked: Sequence[str] = (), hidden: Sequence[str] = ()
) -> migrations.RunSQL:
    """Return the migration step that has every change of a table written to the audit.

    A change of `left_out` columns alone is none; of `masked` ones (phone numbers) the middle is not shown, of `hidden`
    ones (secrets) only that they changed.
    """
    lists = ", ".join(f"'{{{','.join(columns)}}}'" for columns in (left_out, masked, hidden))
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_audit AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION audit_change({lists})",
        f"DROP TRIGGER {table}_audit ON {table}",
    )


def actor(*, user_id: int | None, name: str, client: str | None = None) -> str:
    """Return who acts as the audit's triggers read it: the user, and the application whose token they came with."""
    return orjson.dumps({"id": user_id, "name": name, "client": client}).decode()


class Acting:
    """Middleware: what a page or the API changes during a request is its user's deed, and nobody's after it.

    The API's own statements name the actor themselves, by acting(:actor); for what a page writes through the ORM, it is
    told to PostgreSQL just before.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request."""
        before = ACTOR.set(None)
        try:
            if not _is_form_of_a_page(request) or not request.user.is_authenticated:
                return self.get_response(request)
            ACTOR.set(actor(user_id=request.user.pk, name=request.user.get_username()))
            with connection.execute_wrapper(_tell_who_acts):
                return self.get_response(request)
        finally:
            ACTOR.reset(before)


def _is_form_of_a_page(request: HttpRequest) -> bool:
    # Without a look at the session where none is needed: an order that comes with a token has no use for one.
    return request.method not in {"GET", "HEAD"} and settings.SESSION_COOKIE_NAME in request.COOKIES


def _tell_who_acts(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    if not _is_orm_write(sql):
        return execute(sql, parameters, many, context)
    # In a transaction already, this one is a part of it.
    with transaction.atomic():
        fetch_one(QUERIES.tell_who_acts)
        return execute(sql, parameters, many, context)


@lru_cache(maxsize=500)
def _is_orm_write(sql: str) -> bool:
    return bool(re.match(r"(INSERT|UPDATE|DELETE)\b", sql)) and "acting(" not in sql


def note_sign_in(*, request: HttpRequest | None, user: AbstractBaseUser, **kwargs: object) -> None:
    """Note that a user signed in (django.contrib.auth's user_logged_in)."""
    _note("sign_in", request, user.get_username())


def note_sign_out(*, request: HttpRequest | None, user: AbstractBaseUser | None, **kwargs: object) -> None:
    """Note that a user signed out (user_logged_out); None: nobody was signed in."""
    if user is not None:
        _note("sign_out", request, user.get_username())


def note_failed_sign_in(*, request: HttpRequest | None = None, credentials: dict[str, Any], **kwargs: object) -> None:
    """Note that a sign-in failed (user_login_failed). What is no user's name is not kept: it may be a password."""
    _note("sign_in_failed", request, str(credentials.get("username", "")))


def _note(action: str, request: HttpRequest | None, username: str) -> None:
    address = client_address(request) if request is not None else None
    fetch_one(QUERIES.note_sign_in, action=action, username=username.replace("\x00", ""), address=address)
