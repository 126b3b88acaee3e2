"""The counter: find or add a customer, place an order, see its SMS go, put right what was wrong."""

import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import orjson
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from customers.views import QUERIES as CUSTOMER_QUERIES
from customers.views import CustomerInput, CustomerView
from desk import sql
from desk.finding import find_customers, to_international
from desk.forms import amount_as_typed, checked, constraint_fault, overtaken, typed, where_to_type
from desk.pages import found_or_404, is_from_htmx, page, uuid_or_none
from desk.placing import CAME_TWICE, CUSTOMER_GONE, NotPlacedError, place_from_form
from desk.sql import QUERIES, fetch_all, fetch_row
from orders.placing import QUERIES as ORDER_QUERIES
from orders.views import OrderInput
from savannah.errors import violated_constraint
from savannah.sql import fetch_one, fetch_value
from sms import outbox

ORDERS_A_PAGE = 20
MATCHES_SHOWN = 8
# Whom nobody has told by then, nobody will: older orders are neither counted nor listed as untold.
UNTOLD_DAYS = 7
UNTOLD_COUNTED = 99
# Later than any order: the pages run newest first.
FIRST_PAGE = {"after_time": "infinity", "after_id": UUID(int=2**128 - 1)}
# As the forms show them.
CUSTOMER_FIELDS, ORDER_FIELDS = ("name", "phone_number", "code"), ("item", "amount")
ORDER_GONE = "There is no such order. It may have been deleted."


@page("customers.view_customer", "GET")
def counter(request: HttpRequest) -> HttpResponse:
    """`/`: the latest orders, and what the search found.

    Enter opens the customer when there is only one; not so the Back of a browser, whose address says `list`.
    """
    text = request.GET.get("q", "")
    customers = find_customers(text, MATCHES_SHOWN + 1)
    found = {"q": text, "customers": customers[:MATCHES_SHOWN], "are_more": len(customers) > MATCHES_SHOWN}
    if is_from_htmx(request):
        return render(request, "desk/found.html", found)
    if len(customers) == 1 and "list" not in request.GET:
        return redirect("desk-customer", customers[0]["id"])
    deleted_id = uuid_or_none(request.GET.get("deleted"))
    deleted = fetch_row(QUERIES.get_deleted, id=deleted_id) if deleted_id else None
    sees_orders = request.user.has_perm("orders.view_order")
    orders = {**_orders(request, QUERIES.list_orders), **_count_untold()} if sees_orders else {}
    return render(request, "desk/counter.html", {"deleted": deleted, **found, **orders})


def _count_untold() -> dict[str, int]:
    """Return for a template in how many orders the customer was not told, up to a number, and of how many days."""
    number = fetch_value(QUERIES.count_untold, days=UNTOLD_DAYS, limit=UNTOLD_COUNTED + 1)
    return {"untold": number, "untold_counted": UNTOLD_COUNTED, "untold_days": UNTOLD_DAYS}


@page("orders.view_order", "GET")
def list_untold(request: HttpRequest) -> HttpResponse:
    """`/orders/untold/`: the orders whose customer was not told by SMS, to send it again or to call."""
    orders = _orders(request, QUERIES.list_untold, days=UNTOLD_DAYS)
    return render(request, "desk/untold.html", {**orders, "untold_days": UNTOLD_DAYS})


def _orders(request: HttpRequest, statement: str, **parameters: Any) -> dict[str, Any]:
    """Return a page of orders for a template, which ones are worth asking about again, and the next page's key."""
    rows = fetch_all(statement, **parameters, **_key(request.GET), limit=ORDERS_A_PAGE + 1)
    orders = rows[:ORDERS_A_PAGE]
    more = len(rows) > ORDERS_A_PAGE
    older = urlencode({"before": orders[-1]["created_at"].isoformat(), "id": orders[-1]["id"]}) if more else ""
    return {"orders": orders, "older": older, "is_later_page": "before" in request.GET}


def _key(query: QueryDict) -> dict[str, Any]:
    try:
        return {"after_time": datetime.fromisoformat(query.get("before", "")), "after_id": UUID(query.get("id", ""))}
    except ValueError:
        return FIRST_PAGE


# --- customers --------------------------------------------------------------------------------------------------------


@page("customers.add_customer", "GET", "POST")
def add_customer(request: HttpRequest) -> HttpResponse:
    """`/customers/new`: what was searched for in vain is filled in already."""
    if request.method != "POST":
        return _customer_form(request, _guessed(request.GET.get("q", "").strip()))
    given = _typed_customer(request)
    fields, faults = checked(CustomerInput, given)
    if not faults:
        try:
            with transaction.atomic():
                document = fetch_value(CUSTOMER_QUERIES.create_customer, **fields)
        except IntegrityError as error:
            if same := fetch_value(QUERIES.find_same_customer, **fields):
                return redirect("desk-customer", same)  # the form came twice
            faults = constraint_fault(error, CustomerView.constraints)
        else:
            return redirect("desk-customer", orjson.loads(document)["id"])
    return _customer_form(request, given, faults=faults)


def _guessed(text: str) -> dict[str, str]:
    """Return the field that somebody means who was searched for in vain: a word with a digit is a code."""
    if phone := to_international(text):
        return {"phone_number": phone}
    return {"code" if re.fullmatch(r"\S*\d\S*", text) else "name": text}


@page("customers.change_customer", "GET", "POST")
def edit_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """`/customers/<id>/edit`: of the version that was opened: nobody overwrites what they have not seen."""
    customer = found_or_404(fetch_row(QUERIES.get_customer, id=customer_id), CUSTOMER_GONE)
    if request.method != "POST":
        return _customer_form(request, customer, customer=customer)
    given = _typed_customer(request)
    fields, faults = checked(CustomerInput, given)
    if not faults:
        versions = [request.POST.get("version", "")]
        try:
            with transaction.atomic():
                row = fetch_one(CUSTOMER_QUERIES.update_customer, id=customer_id, versions=versions, **fields)
        except IntegrityError as error:
            faults = constraint_fault(error, CustomerView.constraints)
        else:
            customer = found_or_404(fetch_row(QUERIES.get_customer, id=customer_id), CUSTOMER_GONE)
            if _is_saved(row, fields, customer):
                return redirect("desk-customer", customer_id)
    given, changes = overtaken(request, given, customer)
    return _customer_form(request, given, faults=faults, customer=customer, changes=changes)


def _is_saved(row: tuple[Any, ...] | None, fields: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether an edit has been made: by this request, or by one before it whose answer was lost."""
    return bool(row and row[0]) or all(now[name] == value for name, value in fields.items())


def _typed_customer(request: HttpRequest) -> dict[str, str]:
    given = typed(request, *CUSTOMER_FIELDS)
    return {**given, "phone_number": to_international(given["phone_number"]) or given["phone_number"]}


def _customer_form(request: HttpRequest, given: dict[str, Any], **context: Any) -> HttpResponse:
    focus = where_to_type(CUSTOMER_FIELDS, given, context.get("faults") or {})
    shown = {"given": given, "focus": focus, **context}
    return render(request, "desk/customer_form.html", shown, status=_status_of(context))


def _status_of(context: dict[str, Any]) -> int:
    """Return how a form is answered that was not taken: something is wrong with it, or somebody else was faster."""
    return 400 if context.get("faults") else 409 if context.get("changes") is not None else 200


@page("customers.view_customer", "GET")
def show_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """`/customers/<id>/`: a form for the next order, and those before."""
    return _customer_page(request, customer_id)


@page("orders.add_order", "GET", "POST")
def add_order(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """`/customers/<id>/orders`: place an order, whose SMS is sent; the next page shows how it goes.

    A form that comes twice (a double click, a reload, a lost answer) places one order: its key is the order's.
    """
    if request.method != "POST":
        return redirect("desk-customer", customer_id)  # this is where a form stands that was not taken
    customer = found_or_404(fetch_row(QUERIES.get_customer, id=customer_id), CUSTOMER_GONE)
    given = typed(request, *ORDER_FIELDS)
    fields, faults = _checked_order(given)
    if faults:
        return _customer_page(request, customer_id, given=given, faults=faults, key=request.POST.get("key"))
    try:
        order = place_from_form(request, wait=False, customer_code=customer["code"], **fields)
    except NotPlacedError as refusal:
        return _customer_page(request, customer_id, given=given, refusal=refusal.sentence, key=refusal.key)
    placed = {"placed": orjson.loads(order.body)["id"], **({"again": 1} if order.replayed else {})}
    return HttpResponseRedirect(f"{reverse('desk-customer', args=[customer_id])}?{urlencode(placed)}")


def _checked_order(given: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    return checked(OrderInput, {**given, "amount": amount_as_typed(given["amount"])})


def _customer_page(request: HttpRequest, customer_id: UUID, *, key: str | None = None, **context: Any) -> HttpResponse:
    customer = found_or_404(fetch_row(QUERIES.get_customer, id=customer_id), CUSTOMER_GONE)
    sees_orders = request.user.has_perm("orders.view_order")
    orders = _orders(request, QUERIES.list_orders_of_customer, customer_id=customer_id) if sees_orders else {}
    placed = uuid_or_none(request.GET.get("placed"))
    key = str(uuid_or_none(key) or uuid4())
    focus = where_to_type(ORDER_FIELDS, context.get("given") or {}, context.get("faults") or {})
    shown = {"customer": customer, "placed": placed, "came_twice": CAME_TWICE, "key": key, "focus": focus}
    shown |= {**orders, **context}
    status = 409 if "refusal" in context else 400 if context.get("faults") else 200
    return render(request, "desk/customer.html", shown, status=status)


@page("customers.delete_customer", "POST")
def delete_customer(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """`/customers/<id>/delete`: gone at once, with a way back."""
    return _to_counter(sql.delete_customer(customer_id), CUSTOMER_GONE)


def _to_counter(deleted_id: UUID | None, sentence: str) -> HttpResponse:
    if deleted_id is None:
        raise Http404(sentence)
    return HttpResponseRedirect(f"{reverse('desk')}?{urlencode({'deleted': deleted_id})}")


# --- orders -----------------------------------------------------------------------------------------------------------


@page("orders.view_order", "GET")
def show_order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """`/orders/<id>/`: the order as a receipt, and the way of its SMS."""
    order = found_or_404(fetch_row(QUERIES.get_order, id=order_id), ORDER_GONE)
    sms = orjson.loads(order["sms"]) if order["sms_id"] else None
    context = {"order": order, "sms": _with_times(sms) if sms else None, "orders": [order]}
    return render(request, "desk/order.html", context)


def _with_times(sms: dict[str, Any]) -> dict[str, Any]:
    """Return an SMS whose history is one list, oldest first, its times no longer text."""
    history = [
        {"time": datetime.fromisoformat(attempt["asked_at"]), "answer": attempt["status"], "reason": attempt["reason"]}
        for attempt in sms["attempts"]
    ] + [
        {
            "time": datetime.fromisoformat(report["received_at"]),
            "report": report["status"],
            "reason": report["failure_reason"],
        }
        for report in sms["delivery_reports"]
    ]
    return {**sms, "history": sorted(history, key=lambda event: event["time"])}


@page("orders.change_order", "GET", "POST")
def edit_order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """`/orders/<id>/edit`: as edit_customer."""
    order = found_or_404(fetch_row(QUERIES.get_order, id=order_id), ORDER_GONE)
    if request.method != "POST":
        return _order_form(request, order, order)
    given = typed(request, *ORDER_FIELDS)
    fields, faults = _checked_order(given)
    if not faults:
        versions = [request.POST.get("version", "")]
        row = fetch_one(ORDER_QUERIES.update_order, id=order_id, versions=versions, **fields)
        order = found_or_404(fetch_row(QUERIES.get_order, id=order_id), ORDER_GONE)
        if _is_saved(row, fields, order):
            return redirect("desk-order", order_id)
    given, changes = overtaken(request, given, order)
    return _order_form(request, order, given, faults=faults, changes=changes)


def _order_form(request: HttpRequest, order: dict[str, Any], given: dict[str, Any], **context: Any) -> HttpResponse:
    focus = where_to_type(ORDER_FIELDS, given, context.get("faults") or {})
    shown = {"order": order, "given": given, "focus": focus, **context}
    return render(request, "desk/order_form.html", shown, status=_status_of(context))


@page("orders.delete_order", "POST")
def delete_order(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """`/orders/<id>/delete`: gone at once, its SMS called off when it still can be, with a way back."""
    return _to_counter(fetch_value(QUERIES.delete_order, id=order_id), ORDER_GONE)


@page("orders.delete_order", "POST")
def restore(request: HttpRequest, deleted_id: UUID) -> HttpResponse:
    """`/deleted/<id>/restore`: bring back what was deleted."""
    try:
        with transaction.atomic():
            customer_id = fetch_value(QUERIES.restore, id=deleted_id, hold_seconds=outbox.hold_seconds())
    except IntegrityError as error:
        return render(request, "desk/not_restored.html", {"constraint": violated_constraint(error)}, status=409)
    if customer_id is None:
        raise Http404("It is back already, or its day is over.")
    return redirect("desk-customer", customer_id)


@page("orders.change_order", "POST")
def resend_sms(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """`/orders/<id>/sms/resend`: send the SMS again."""
    order = found_or_404(fetch_row(QUERIES.get_order, id=order_id), ORDER_GONE)
    if order["sms_id"]:
        outbox.resend([order["sms_id"]])
    return redirect("desk-order", order_id)


@page("orders.change_order", "POST")
def cancel_sms(request: HttpRequest, order_id: UUID) -> HttpResponse:
    """`/orders/<id>/sms/cancel`: call an SMS off that is not sent yet."""
    order = found_or_404(fetch_row(QUERIES.get_order, id=order_id), ORDER_GONE)
    if order["sms_id"]:
        outbox.cancel(order["sms_id"])
    return redirect("desk-order", order_id)


@page("orders.view_order", "GET")
def live(request: HttpRequest) -> HttpResponse:
    """`/live?order=<id>&...`: how the SMS of these orders stand now; a page asks until all are at their end."""
    ids = [id_ for id_ in map(uuid_or_none, request.GET.getlist("order")[:ORDERS_A_PAGE]) if id_]
    return render(request, "desk/live.html", {"orders": fetch_all(QUERIES.list_states, ids=ids), "swap": True})
