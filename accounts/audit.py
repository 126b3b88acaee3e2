"""The audit: who changed what, and when.

PostgreSQL's triggers write it (accounts/migrations), so every change is recorded, whichever way it is made: the API,
the admin, a command, an operator's psql. The Python side tells PostgreSQL who acts, and records sign-ins.
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
    """Return the migration step that records every change of a table in the audit.

    Changes of `left_out` columns are not recorded. Of `masked` columns (phone numbers) the audit hides the middle; of
    `hidden` columns (secrets) it shows only that they changed.
    """
    lists = ", ".join(f"'{{{','.join(columns)}}}'" for columns in (left_out, masked, hidden))
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_audit AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION audit_change({lists})",
        f"DROP TRIGGER {table}_audit ON {table}",
    )


def actor(*, user_id: int | None, name: str, client: str | None = None) -> str:
    """Return, as JSON for the audit's triggers, who acts: the user, and the application whose token was used."""
    return orjson.dumps({"id": user_id, "name": name, "client": client}).decode()


class Acting:
    """Middleware that attributes the changes of a request to its user, and forgets the user afterwards.

    The API's statements name the actor themselves, by acting(:actor). For writes of a page through the ORM, this
    middleware names the actor to PostgreSQL just before.
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
    # Without loading the session: an API request, which comes with a token, must not pay for that.
    return request.method not in {"GET", "HEAD"} and settings.SESSION_COOKIE_NAME in request.COOKIES


def _tell_who_acts(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]) -> Any:
    if not _is_orm_write(sql):
        return execute(sql, parameters, many, context)
    # Within an open transaction this is only a savepoint.
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
    """Note that a sign-in failed (user_login_failed). A name that no user has is not stored: it may be a password."""
    _note("sign_in_failed", request, str(credentials.get("username", "")))


def _note(action: str, request: HttpRequest | None, username: str) -> None:
    address = client_address(request) if request is not None else None
    fetch_one(QUERIES.note_sign_in, action=action, username=username.replace("\x00", ""), address=address)
