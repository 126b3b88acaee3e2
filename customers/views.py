"""The customer endpoints of the specification."""

import re
from datetime import datetime
from functools import cache
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from customers.phones import to_e164
from savannah.api import (
    APIView,
    Input,
    Text,
    checked,
    deleted,
    detail,
    found,
    rights_on,
    uuid_or_404,
    versions_to_match,
)
from savannah.lists import Listing, ListQuery, answer_list, asked
from savannah.openapi import errors, listed
from savannah.sql import fetch_one, fetch_value, load_queries

QUERIES = load_queries(__file__)
NOT_FOUND = "Customer not found"
PHONE_RULE = "must be a valid phone number in international format, such as +254712345678."


class PhoneNumber(Text):
    """A phone number in international format; becomes E.164."""

    def to_internal_value(self, data: Any) -> str:
        """Return E.164; fail for a number that is none."""
        number = to_e164(super().to_internal_value(data))
        if number is None:
            raise serializers.ValidationError(PHONE_RULE, code="phone")
        return number


class CustomerInput(Input):
    """The fields of a customer that a client may set."""

    code = Text(max_length=50)
    name = Text(max_length=100)
    phone_number = PhoneNumber(max_length=40)


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


class CustomerView(APIView):
    """What both customer addresses share."""

    rights = rights_on("customers.customer")
    constraints = {
        "customers_code_key": (400, "A customer with this code already exists", "code"),
        "customers_phone_e164": (400, f"phone_number: {PHONE_RULE}", "phone_number"),
    }


class CustomerList(CustomerView):
    """`/api/customers/`."""

    actions = {"GET": "list customers", "POST": "create customer"}

    @extend_schema(
        operation_id="customers_list",
        parameters=[CustomerQuery],
        responses={**listed(CustomerOutput), **errors(400, 401)},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """List customers, newest first: all of them, or a page with `limit`."""
        query = asked(CustomerQuery, request)
        if "search" in query:
            query |= _search(query["search"])
        return answer_list(request, LISTING, query)

    @extend_schema(
        operation_id="customers_create",
        request=CustomerInput,
        responses={201: CustomerOutput, **errors(400, 401, 411, 413, 415)},
    )
    def post(self, request: Request) -> HttpResponse:
        """Create a customer."""
        return found(fetch_value(QUERIES.create_customer, **checked(CustomerInput, request)), NOT_FOUND, status=201)


class CustomerDetail(CustomerView):
    """`/api/customers/{customer_id}/`."""

    actions = {
        "GET": "retrieve customer",
        "PUT": "update customer",
        "PATCH": "update customer",
        "DELETE": "delete customer",
    }

    @extend_schema(operation_id="customers_get", responses={200: CustomerOutput, **errors(401, 404)})
    def get(self, request: Request, customer_id: str) -> HttpResponse:
        """Get one customer."""
        return detail(request, fetch_one(QUERIES.get_customer, id=uuid_or_404(customer_id, NOT_FOUND)), NOT_FOUND)

    @extend_schema(
        operation_id="customers_update",
        request=CustomerInput(partial=True),
        responses={200: CustomerOutput, **errors(400, 401, 404, 411, 413, 415)},
    )
    def put(self, request: Request, customer_id: str) -> HttpResponse:
        """Update the given fields of a customer."""
        id_ = uuid_or_404(customer_id, NOT_FOUND)
        fields = {**dict.fromkeys(CustomerInput().fields), **checked(CustomerInput, request, partial=True)}
        row = fetch_one(QUERIES.update_customer, id=id_, versions=versions_to_match(request), **fields)
        return detail(request, row, NOT_FOUND)

    @extend_schema(
        operation_id="customers_patch",
        request=CustomerInput(partial=True),
        responses={200: CustomerOutput, **errors(400, 401, 404, 411, 413, 415)},
    )
    def patch(self, request: Request, customer_id: str) -> HttpResponse:
        """Update the given fields of a customer."""
        return self.put(request, customer_id)

    @extend_schema(operation_id="customers_delete", responses={204: None, **errors(401, 404)})
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
