"""The order endpoints of the specification."""

from collections.abc import Set
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from customers.views import NOT_FOUND as CUSTOMER_NOT_FOUND
from orders.amounts import Amount
from orders.outputs import OrderOutput, PlacedOrderOutput, SmsOutput
from orders.placing import QUERIES, place_order, place_order_once
from orders.uploading import COLUMNS, store_orders
from savannah.api import APIView, Input, Text, checked, created, found, prefers, rights_on, uuid_or_404
from savannah.conditional import deleted, versioned, versions_to_match
from savannah.idempotency import REPLAYED, answer_once, fingerprint_of, key_of
from savannah.lists import Listing, ListQuery, answer_list, asked
from savannah.openapi import PREFER, creates, deletes, errors, lists, shows, updates, uploads
from savannah.sql import fetch_one, fetch_value
from savannah.uploads import UploadQuery, answer_upload, digest_of, read_rows, received
from sms.models import State

NOT_FOUND = "Order not found"


class OrderInput(Input):
    """The fields of an order that a client may set later."""

    item = Text(max_length=200)
    amount = Amount()


@extend_schema_serializer(
    examples=[
        OpenApiExample("Laptop", {"customer_code": "CUST001", "item": "Laptop Computer", "amount": 1299.99}),
    ]
)
class NewOrderInput(Input):
    """The fields of a new order."""

    customer_code = Text(max_length=50)
    item = Text(max_length=200)
    amount = Amount()


# Filters and sorts that need an index of orders, because those of SMS do not have these columns.
_OF_ORDERS = {"customer_id", "item", "min_amount", "max_amount", "amount", "-amount"}


def _by_state(wanted: Set[str]) -> Set[str]:
    """Read along the SMS index of state and time, unless a filter or the sort needs an index of orders.

    Most SMS are delivered, so even along an index of orders a filter by that state skips hardly any rows.
    """
    return {"by_state"} if "sms_status" in wanted and not wanted & _OF_ORDERS else set()


LISTING = Listing(
    QUERIES.page_of_orders,
    csv_header="id,item,amount,order_time,created_at,customer_id,customer_code,customer_name,customer_phone,sms_status",
    keys={"created_at": datetime.fromisoformat, "amount": Decimal},
    also=_by_state,
)


class OrderQuery(ListQuery):
    """The filters and sorts of a list of orders."""

    since = serializers.DateTimeField(required=False, help_text="created at this time or later (ISO 8601)")
    until = serializers.DateTimeField(required=False, help_text="created before this time")
    min_amount = serializers.DecimalField(required=False, max_digits=12, decimal_places=2)
    max_amount = serializers.DecimalField(required=False, max_digits=12, decimal_places=2)
    sms_status = serializers.ChoiceField(State.choices, required=False)
    item = Text(required=False, max_length=200, help_text="the whole item, in upper or lower case")
    sort = serializers.ChoiceField(LISTING.sorts, required=False, help_text=f"default: {LISTING.sorts[0]}")


class AllOrdersQuery(OrderQuery):
    """The parameters of the list of all orders, which can be limited to one customer."""

    customer_code = Text(required=False, max_length=50)


class CustomerOrdersQuery(OrderQuery):
    """The parameters of the list by customer code, where the code is required."""

    customer_code = Text(max_length=50)


class OrderUploadQuery(UploadQuery):
    """How orders are uploaded."""

    notify = serializers.BooleanField(default=True, help_text="false: queue no SMS")


class OrderView(APIView):
    """What all order addresses share."""

    rights = rights_on("orders.order")
    constraints = {
        "orders_customer_id_fkey": (404, CUSTOMER_NOT_FOUND, ""),
        "orders_amount_positive": (400, "amount: must be more than 0.", "amount"),
    }


class OrderList(OrderView):
    """`/api/orders/`."""

    actions = {"GET": "list orders", "POST": "create order"}

    @lists("orders_list", AllOrdersQuery, OrderOutput)
    def get(self, request: Request) -> HttpResponseBase:
        """List orders, newest first: all of them, or a page with `limit`."""
        query = asked(AllOrdersQuery, request)
        if "customer_code" in query:
            query["customer_id"] = fetch_value(QUERIES.find_customer, code=query.pop("customer_code"), id=None)
        return answer_list(request, LISTING, query)

    @creates("orders_create", NewOrderInput, PlacedOrderOutput, 404, headers=(PREFER,))
    def post(self, request: Request) -> HttpResponse:
        """Place an order, and send the customer an SMS."""
        fields = checked(NewOrderInput, request)
        wait = not prefers(request.META, "respond-async")
        key = key_of(request, partial(fingerprint_of, fields))
        order = place_order_once(key, wait=wait, **fields) if key else place_order(wait=wait, **fields)
        if order is None:
            raise NotFound(CUSTOMER_NOT_FOUND)
        answer = created(order.body)
        if order.replayed:
            answer.headers[REPLAYED] = "true"
        if not wait:
            answer.headers["Preference-Applied"] = "respond-async"
        return answer


class OrderUpload(OrderView):
    """`/api/orders/upload/`."""

    actions = {"POST": "upload orders"}

    @uploads("orders_upload", OrderUploadQuery)
    def post(self, request: Request) -> HttpResponse:
        """Store the orders of a CSV or NDJSON file of any length, and queue their SMS."""
        query = asked(OrderUploadQuery, request)
        skip, notify = query["on_error"] == "skip", query["notify"]
        with received(request) as (file, file_format):
            rows = read_rows(file, file_format, COLUMNS)
            return answer_once(
                key_of(request, lambda: fingerprint_of({**query, "file": digest_of(file)})),
                lambda: answer_upload(store_orders(rows, skip=skip, notify=notify), skip=skip),
            )


class OrderDetail(OrderView):
    """`/api/orders/{order_id}/`."""

    actions = {
        "GET": "retrieve order",
        "PUT": "update order",
        "PATCH": "update order",
        "DELETE": "delete order",
    }

    @shows("orders_get", OrderOutput)
    def get(self, request: Request, order_id: str) -> HttpResponse:
        """Get one order."""
        return versioned(request, fetch_one(QUERIES.get_order, id=uuid_or_404(order_id, NOT_FOUND)), NOT_FOUND)

    @updates("orders_update", OrderInput, OrderOutput)
    def put(self, request: Request, order_id: str) -> HttpResponse:
        """Update the given fields of an order."""
        id_ = uuid_or_404(order_id, NOT_FOUND)
        fields = {**dict.fromkeys(OrderInput().fields), **checked(OrderInput, request, partial=True)}
        row = fetch_one(QUERIES.update_order, id=id_, versions=versions_to_match(request), **fields)
        return versioned(request, row, NOT_FOUND)

    @updates("orders_patch", OrderInput, OrderOutput)
    def patch(self, request: Request, order_id: str) -> HttpResponse:
        """Update the given fields of an order."""
        return self.put(request, order_id)

    @deletes("orders_delete")
    def delete(self, request: Request, order_id: str) -> HttpResponse:
        """Delete an order."""
        id_ = uuid_or_404(order_id, NOT_FOUND)
        return deleted(fetch_one(QUERIES.delete_order, id=id_, versions=versions_to_match(request)), NOT_FOUND)


class OrderSms(OrderView):
    """`/api/orders/{order_id}/sms/`."""

    actions = {"GET": "retrieve SMS"}

    @extend_schema(operation_id="orders_sms", responses={200: SmsOutput, **errors(401, 404)})
    def get(self, request: Request, order_id: str) -> HttpResponse:
        """Get the SMS of an order: its state, each attempt to send it, each delivery report."""
        row = fetch_one(QUERIES.get_sms, id=uuid_or_404(order_id, NOT_FOUND))
        if row is None:
            raise NotFound(NOT_FOUND)
        return found(row[0], "The order has no SMS")


class OrdersByCustomerCode(OrderView):
    """`/api/orders/by-customer/?customer_code=CUST001`."""

    actions = {"GET": "list orders"}

    @lists("orders_by_customer_code", CustomerOrdersQuery, OrderOutput, 404)
    def get(self, request: Request) -> HttpResponseBase:
        """List the orders of the customer with this code, newest first."""
        code = request.query_params.get("customer_code", "").strip()
        if not code:
            raise serializers.ValidationError("Missing required parameter: customer_code")
        if "\x00" in code:
            raise NotFound(CUSTOMER_NOT_FOUND)
        query = asked(CustomerOrdersQuery, request)
        return _list_orders_of(request, query, code=query.pop("customer_code"))


class OrdersByCustomerId(OrderView):
    """`/api/orders/customer/{customer_id}/`."""

    actions = {"GET": "list orders"}

    @lists("orders_by_customer_id", OrderQuery, OrderOutput, 404)
    def get(self, request: Request, customer_id: str) -> HttpResponseBase:
        """List the orders of the customer with this id, newest first."""
        id_ = uuid_or_404(customer_id, CUSTOMER_NOT_FOUND)
        return _list_orders_of(request, asked(OrderQuery, request), id_=id_)


def _list_orders_of(
    request: Request, query: dict[str, Any], *, code: str | None = None, id_: UUID | None = None
) -> HttpResponseBase:
    customer_id = fetch_value(QUERIES.find_customer, code=code, id=id_)
    if customer_id is None:
        raise NotFound(CUSTOMER_NOT_FOUND)
    return answer_list(request, LISTING, {**query, "customer_id": customer_id})
