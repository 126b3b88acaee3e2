"""`GET /api/audit/`: the audit, for users who have the right to read it."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from accounts.audit import QUERIES
from savannah.api import APIView, Input, Text
from savannah.lists import LONGEST_PAGE, STREAMED, Page, asked, stream_list
from savannah.openapi import errors
from savannah.sql import fetch_one

# Higher than any entry's id: the list runs newest first.
NEWEST = 2**63 - 1


class AuditQuery(Input):
    """The parameters of the list."""

    unknown = "unknown_parameter"
    subject = Text(required=False, help_text="customers, orders, applications, auth_user, auth_group or identities")
    subject_id = Text(required=False, help_text="whose history")
    actor = Text(required=False, help_text="the user name of who did it")
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST_PAGE, help_text="a page of so many, and Link to the next one"
    )
    cursor = serializers.IntegerField(
        required=False, min_value=1, max_value=NEWEST, help_text="where the next page starts: Link has it"
    )


class AuditOutput(serializers.Serializer[Any]):
    """An entry of the audit as the API shows it (documentation only: PostgreSQL writes the JSON)."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField(allow_null=True, help_text="user name, or the database user of an operator's psql")
    actor_id = serializers.IntegerField(allow_null=True)
    client = serializers.CharField(allow_null=True, help_text="client_id of the application whose token it was")
    action = serializers.CharField(help_text="insert, update, delete, grant, revoke, sign_in, sign_out, sign_in_failed")
    subject = serializers.CharField(help_text="the table that it is of, in PostgreSQL")
    subject_id = serializers.CharField(allow_null=True)
    before = serializers.DictField(allow_null=True, help_text="of an update, the fields that changed; phones masked")
    after = serializers.DictField(allow_null=True)


class AuditList(APIView):
    """`/api/audit/`."""

    actions = {"GET": "read the audit"}
    rights = {"GET": "accounts.view_auditentry"}

    @extend_schema(
        operation_id="audit_list",
        parameters=[AuditQuery],
        responses={200: AuditOutput(many=True), **errors(400, 401)},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """List what happened, newest first: all of it, or with `limit` a page of it."""
        query = asked(AuditQuery, request)
        before, limit = query.get("cursor", NEWEST), query.get("limit")
        if limit is None:
            return stream_list(partial(_list_audit, query, STREAMED), (before,))
        documents, last = _list_audit(query, limit, before) or (None, None)
        answer = HttpResponse(f"[{documents or ''}]", content_type="application/json")
        if last is not None:
            following = urlencode({**request.query_params.dict(), "cursor": last})
            answer["Link"] = f'<{request.build_absolute_uri(request.path)}?{following}>; rel="next"'
        return answer


def _list_audit(query: Mapping[str, Any], limit: int, before: int) -> Page:
    return fetch_one(
        QUERIES.list_audit,
        after_id=before,
        limit=limit,
        subject=query.get("subject"),
        subject_id=query.get("subject_id"),
        by=query.get("actor"),
    )
