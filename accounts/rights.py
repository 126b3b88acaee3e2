"""Which right a request needs, and whether the caller has it: by role, and by the scopes of the token.

A right is one of Django's permissions ("orders.add_order"); a view names the one that each method needs (`rights`).
"""

from typing import TYPE_CHECKING, cast

from django.conf import settings
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.bearer import Caller, challenge

if TYPE_CHECKING:
    from rest_framework.views import APIView as DRFView  # imports this module, by DEFAULT_PERMISSION_CLASSES

    from savannah.api import APIView


class InsufficientScope(PermissionDenied):
    """403 with the challenge that tells a client which scope to ask for (RFC 6750, section 3.1)."""

    def __init__(self, sentence: str, scope: str | None) -> None:
        super().__init__(sentence)
        self.auth_header = challenge(error="insufficient_scope", **({"scope": scope} if scope else {}))


class HasRight(BasePermission):
    """The caller's role gives the right that the view names, and the token's scopes cover it."""

    def has_permission(self, request: Request, view: "DRFView") -> bool:
        """Return True; False without a caller (401); raise with a sentence for a right that is missing (403)."""
        caller = cast("Caller | None", request.user)
        if caller is None:
            return False
        method = cast("str", request.method)
        if not hasattr(view, method.lower()):
            return True  # nothing is done: the view answers 405
        require(caller, _needed(cast("APIView", view), method))
        return True


def require(caller: Caller, right: str) -> None:
    """Raise PermissionDenied, with a sentence, unless the caller's role gives the right and the token covers it."""
    if caller.limits:
        _require_scope(right, caller.limits)
    if not caller.has_right(right):
        raise PermissionDenied(
            f"You need the right {right}, and your role does not give it."
            if right
            else "Only an administrator may do this."
        )


def _needed(view: "APIView", method: str) -> str:
    return view.rights.get("GET" if method in {"HEAD", "OPTIONS"} else method, "")


def _require_scope(right: str, limits: frozenset[str]) -> None:
    app_label, _, action = right.partition(".")
    scope = f"{app_label}:{'read' if action.startswith('view_') else 'write'}"
    if scope in limits:
        return
    if scope in settings.API_SCOPES:
        raise InsufficientScope(f"You need the scope {scope}, and this token does not have it.", scope)
    raise InsufficientScope(f"This token is good for {', '.join(sorted(limits))} alone.", None)
