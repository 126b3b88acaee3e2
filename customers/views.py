"""The customer endpoints of the specification."""

import re
from datetime import datetime
from functools import cache, partial
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request

from customers.phones import PHONE_RULE, to_e164
from customers.uploading import COLUMNS, store_customers
from savannah.api import APIView, Input, Text, checked, created, require_right, rights_on, uuid_or_404
from savannah.conditional import deleted, versioned, versions_to_match
from savannah.idempotency import answer_once, fingerprint_of, key_of
from savannah.lists import Listing, ListQuery, answer_list, asked
from savannah.openapi import creates, deletes, lists, shows, updates, uploads
from savannah.sql import fetch_one, fetch_value, load_queries
from savannah.uploads import UploadQuery, answer_upload, digest_of, read_rows, received

QUERIES = load_queries(__file__)
NOT_FOUND = "Customer not found"


class PhoneNumber(Text):
    """A phone number in international format, converted to E.164."""

    def to_internal_value(self, data: Any) -> str:
        """Return E.164; fail for an invalid number."""
        number = to_e164(super().to_internal_value(data))
        if number is None:
            raise serializers.ValidationError(PHONE_RULE, code="phone")
        return number


JOHN = {"code": "CUST001", "name": "John Doe", "phone_number": "+254712345678"}
TIME = "2025-09-20T10:30:00.000000Z"


@extend_schema_serializer(examples=[OpenApiExample("John Doe", JOHN)])
class CustomerInput(Input):
    """The fields of a customer that a client may set."""

    code = Text(max_length=50)
    name = Text(max_length=100)
    phone_number = PhoneNumber(max_length=40)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "John Doe",
            {"id": "550e8400-e29b-41d4-a716-446655440000", **JOHN, "created_at": TIME, "updated_at": TIME},
        )
    ]
)
class CustomerOutput(serializers.Serializer[Any]):
    """A customer as the API shows it (documentation only: PostgreSQL writes the JSON)."""

    id = serializers.UUIDField()
    code = serializers.CharField()
    name = serializers.CharField()
    phone_number = serializers.CharField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


LISTING = Listing(
    QUERIES.page_of_customers,
    csv_header="id,code,name,phone_number,created_at,updated_at",
    keys={"created_at": datetime.fromisoformat, "code": str, "name": str},
)


class CustomerQuery(ListQuery):
    """The filters and sorts of the list of customers."""

    search = Text(
        required=False,
        max_length=100,
        help_text="how code, name or phone number begins; where PostgreSQL has pg_trgm, any part of them",
    )
    sort = serializers.ChoiceField(LISTING.sorts, required=False, help_text=f"default: {LISTING.sorts[0]}")


class CustomerUploadQuery(UploadQuery):
    """How customers are uploaded."""

    on_conflict = serializers.ChoiceField(
        ["refuse", "update"], default="refuse", help_text="what happens to a code that another customer has already"
    )


class CustomerView(APIView):
    """What the views of customers share."""

    rights = rights_on("customers.customer")
    constraints = {
        "customers_code_key": (400, "A customer with this code already exists", "code"),
        "customers_phone_e164": (400, f"phone_number: {PHONE_RULE}", "phone_number"),
    }


class CustomerList(CustomerView):
    """`/api/customers/`."""

    actions = {"GET": "list customers", "POST": "create customer"}

    @lists("customers_list", CustomerQuery, CustomerOutput)
    def get(self, request: Request) -> HttpResponseBase:
        """List customers, newest first: all of them, or a page with `limit`."""
        query = asked(CustomerQuery, request)
        if "search" in query:
            query |= _search(query["search"])
        return answer_list(request, LISTING, query)

    @creates("customers_create", CustomerInput, CustomerOutput)
    def post(self, request: Request) -> HttpResponse:
        """Create a customer."""
        fields = checked(CustomerInput, request)
        return answer_once(
            key_of(request, partial(fingerprint_of, fields)),
            lambda: created(fetch_value(QUERIES.create_customer, **fields)),
        )


class CustomerUpload(CustomerView):
    """`/api/customers/upload/`."""

    actions = {"POST": "upload customers"}

    @uploads("customers_upload", CustomerUploadQuery)
    def post(self, request: Request) -> HttpResponse:
        """Store the customers of a CSV or NDJSON file of any length."""
        query = asked(CustomerUploadQuery, request)
        skip, update = query["on_error"] == "skip", query["on_conflict"] == "update"
        if update:
            require_right(request, self.rights["PUT"])
        with received(request) as (file, file_format):
            rows = read_rows(file, file_format, COLUMNS)
            return answer_once(
                key_of(request, lambda: fingerprint_of({**query, "file": digest_of(file)})),
                lambda: answer_upload(store_customers(rows, skip=skip, update=update), skip=skip),
            )


class CustomerDetail(CustomerView):
    """`/api/customers/{customer_id}/`."""

    actions = {
        "GET": "retrieve customer",
        "PUT": "update customer",
        "PATCH": "update customer",
        "DELETE": "delete customer",
    }

    @shows("customers_get", CustomerOutput)
    def get(self, request: Request, customer_id: str) -> HttpResponse:
        """Get one customer."""
        return versioned(request, fetch_one(QUERIES.get_customer, id=uuid_or_404(customer_id, NOT_FOUND)), NOT_FOUND)

    @updates("customers_update", CustomerInput, CustomerOutput)
    def put(self, request: Request, customer_id: str) -> HttpResponse:
        """Update the given fields of a customer."""
        id_ = uuid_or_404(customer_id, NOT_FOUND)
        fields = {**dict.fromkeys(CustomerInput().fields), **checked(CustomerInput, request, partial=True)}
        row = fetch_one(QUERIES.update_customer, id=id_, versions=versions_to_match(request), **fields)
        return versioned(request, row, NOT_FOUND)

    @updates("customers_patch", CustomerInput, CustomerOutput)
    def patch(self, request: Request, customer_id: str) -> HttpResponse:
        """Update the given fields of a customer."""
        return self.put(request, customer_id)

    @deletes("customers_delete")
    def delete(self, request: Request, customer_id: str) -> HttpResponse:
        """Delete a customer and its orders."""
        id_ = uuid_or_404(customer_id, NOT_FOUND)
        return deleted(fetch_one(QUERIES.delete_customer, id=id_, versions=versions_to_match(request)), NOT_FOUND)


def _search(text: str) -> dict[str, Any]:
    pattern = re.sub(r"([\\%_])", r"\\\1", text) + "%"
    if _can_search_anywhere():
        return {"search": f"%{pattern}", "anywhere": True}
    return {"search": pattern}


@cache
def _can_search_anywhere() -> bool:
    return bool(fetch_value(QUERIES.can_search_anywhere))
