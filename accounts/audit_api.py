"""`GET /api/audit/`: what happened, for those who may see it."""

from functools import partial
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.audit import QUERIES
from savannah.api import APIView, Page, stream_list
from savannah.openapi import errors
from savannah.sql import fetch_one

# Later than any entry: the list runs newest first.
NEWEST = (2**63 - 1,)


class AuditOutput(serializers.Serializer[Any]):
    """An entry of the audit as the API shows it (documentation only: PostgreSQL writes the JSON)."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField(allow_null=True, help_text="user name, or the database user of an operator's psql")
    actor_id = serializers.IntegerField(allow_null=True)
    client = serializers.CharField(allow_null=True, help_text="client_id of the application whose token it was")
    action = serializers.CharField(help_text="insert, update, delete, grant, revoke, sign_in, sign_out, sign_in_failed")
    subject = serializers.CharField(help_text="customers, orders, applications, auth_user, auth_group")
    subject_id = serializers.CharField(allow_null=True)
    before = serializers.DictField(allow_null=True, help_text="of an update, the fields that changed; phones masked")
    after = serializers.DictField(allow_null=True)


class AuditList(APIView):
    """`/api/audit/`."""

    actions = {"GET": "read the audit"}
    rights = {"GET": "accounts.view_auditentry"}

    @extend_schema(
        operation_id="audit_list",
        parameters=[
            OpenApiParameter("subject", str, description="customers, orders, applications, auth_user or auth_group"),
            OpenApiParameter("subject_id", str, description="whose history"),
            OpenApiParameter("actor", str, description="the user name of who did it"),
        ],
        responses={200: AuditOutput(many=True), **errors(401)},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """List what happened, newest first."""
        asked = {name: request.query_params.get(name) for name in ("subject", "subject_id", "actor")}
        if any("\x00" in text for text in asked.values() if text):
            raise serializers.ValidationError("A parameter holds a NUL character.")
        return stream_list(partial(_list_audit, asked), NEWEST)


def _list_audit(asked: dict[str, str | None], after_id: int) -> Page:
    return fetch_one(
        QUERIES.list_audit,
        after_id=after_id,
        subject=asked["subject"],
        subject_id=asked["subject_id"],
        by=asked["actor"],
    )
