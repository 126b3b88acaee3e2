"""The customer endpoints of the specification."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from customers.phones import to_e164
from savannah.api import APIView, Input, Page, Text, checked, found, rights_on, stream_list, uuid_or_404
from savannah.openapi import errors
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

    @extend_schema(operation_id="customers_list", responses={200: CustomerOutput(many=True), **errors(401)})
    def get(self, request: Request) -> HttpResponseBase:
        """List all customers, newest first."""
        return stream_list(_list_customers)

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
        return found(fetch_value(QUERIES.get_customer, id=uuid_or_404(customer_id, NOT_FOUND)), NOT_FOUND)

    @extend_schema(
        operation_id="customers_update",
        request=CustomerInput(partial=True),
        responses={200: CustomerOutput, **errors(400, 401, 404, 411, 413, 415)},
    )
    def put(self, request: Request, customer_id: str) -> HttpResponse:
        """Update the given fields of a customer."""
        id_ = uuid_or_404(customer_id, NOT_FOUND)
        return found(_update_customer(id_, checked(CustomerInput, request, partial=True)), NOT_FOUND)

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
        if fetch_value(QUERIES.delete_customer, id=uuid_or_404(customer_id, NOT_FOUND)) is None:
            raise NotFound(NOT_FOUND)
        return HttpResponse(status=204)


def _list_customers(after_time: Any, after_id: Any) -> Page:
    return fetch_one(QUERIES.list_customers, after_time=after_time, after_id=after_id)


def _update_customer(id_: UUID, fields: dict[str, Any]) -> str | None:
    unchanged = dict.fromkeys(CustomerInput().fields)
    document: str | None = fetch_value(QUERIES.update_customer, id=id_, **{**unchanged, **fields})
    return document
