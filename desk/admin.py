"""The admin: customers, orders, SMS and opt-outs. It writes with the API's statements."""

from typing import Any

import orjson
from django.contrib import admin, messages
from django.db.models import F, Func, Model, Q, QuerySet, SmallIntegerField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.defaultfilters import floatformat
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from customers.models import Customer
from customers.views import QUERIES as CUSTOMER_QUERIES
from customers.views import CustomerInput
from desk.editing import CustomerForm, OrderForm, names_of
from desk.exporting import csv_of
from desk.finding import find_customers
from desk.pages import uuid_or_none
from desk.placing import CAME_TWICE, NotPlacedError, place_from_form
from desk.sql import QUERIES, delete_customer
from desk.words import ANSWERS, STATES, word_for
from orders.models import Order
from orders.placing import QUERIES as ORDER_QUERIES
from orders.views import OrderInput
from savannah.refusals import Chosen
from savannah.sql import fetch_value
from sms import outbox
from sms.models import Attempt, Message, OptOut

FOUND = 100
TONES = {"good": "success", "sent": "info", "odd": "warning", "bad": "danger"}
STATE_LABELS = {state: TONES.get(word.tone, "default") for state, word in STATES.items()}


class Fast(Chosen):
    """A list that is fast even with a million rows: it does not count them, and reads a page with one statement."""

    paginator = InfinitePaginator
    show_full_result_count = False
    list_per_page = 50
    compressed_fields = True


class Versioned(Fast):
    """Rows that several people may edit at the same time."""

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Leave the version out for users who may not save."""
        saves = self.has_change_permission(request, obj)
        return [name for name in super().get_fields(request, obj) if saves or name != "version"]


# --- customers and orders ---------------------------------------------------------------------------------------------


@admin.register(Customer)
class CustomerAdmin(Versioned):
    """Customers, found by code, name or phone number as at the desk."""

    form = CustomerForm
    list_display = ("name", "code", "phone_number", "created_at")
    fields = ("code", "name", "phone_number", "version")
    search_fields = ("code",)
    search_help_text = "The beginning of a name, a code or a phone number, or a number's last digits"
    actions = ("export",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        """Search as the desk does."""
        if not search_term:
            return queryset, False
        return queryset.filter(pk__in=[customer["id"] for customer in find_customers(search_term, FOUND)]), False

    def save_model(self, request: HttpRequest, obj: Customer, form: CustomerForm, change: bool) -> None:
        """Save the row with the API's statement."""
        fields = {name: form.cleaned_data[name] for name in names_of(CustomerInput)}
        if change:
            fetch_value(CUSTOMER_QUERIES.update_customer, id=obj.pk, versions=None, **fields)
        else:
            obj.pk = orjson.loads(fetch_value(CUSTOMER_QUERIES.create_customer, **fields))["id"]

    def delete_model(self, request: HttpRequest, obj: Customer) -> None:
        """Delete as the desk does, so that it can be restored."""
        delete_customer(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Customer]) -> None:
        """Delete each one so that it can be restored."""
        for customer in queryset:
            self.delete_model(request, customer)

    @admin.action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Customer]) -> StreamingHttpResponse:
        """Return the chosen customers as CSV."""
        return csv_of("customers", ("id", "code", "name", "phone_number", "created_at", "updated_at"), queryset)


@admin.register(Order)
class OrderAdmin(Versioned):
    """An order that is added here is placed: its SMS is sent."""

    form = OrderForm
    list_display = ("item", "money", "customer", "created_at")
    list_select_related = ("customer",)
    fields = ("customer", "item", "amount", "key", "version")
    autocomplete_fields = ("customer",)
    search_fields = ("id",)
    search_help_text = "A customer's name, code or phone, or an order's number"
    actions = ("resend_sms", "export")

    @admin.display(description="Amount", ordering="amount")
    def money(self, order: Order) -> str:
        """Show the amount as the desk does; admin.css has it on the right."""
        return floatformat(order.amount, "2g")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Show the key only for a new order, and the version only for an existing one."""
        return [name for name in super().get_fields(request, obj) if name != ("key" if obj else "version")]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in what was typed, if an order was not placed."""
        return {**super().get_changeform_initial_data(request), **request.session.pop(_TYPED, {})}

    def get_readonly_fields(self, request: HttpRequest, obj: Order | None = None) -> tuple[str, ...]:
        """Make the customer of an existing order read-only."""
        return ("customer",) if obj else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Search by number, or by customer as the desk does."""
        if not search_term:
            return queryset, False
        if number := uuid_or_none(search_term.strip()):
            return queryset.filter(pk=number), False
        return queryset.filter(customer__in=[c["id"] for c in find_customers(search_term, FOUND)]), False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Place a new order outside Django's transaction, where the worker could not see the SMS that we wait for."""
        if object_id is not None:
            changed: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
            return changed
        try:
            added: HttpResponse = self._changeform_view(request, object_id, form_url, extra_context)
        except NotPlacedError as refusal:
            messages.error(request, refusal.sentence)
            return _form_again(request, key=refusal.key)
        return added

    def save_model(self, request: HttpRequest, obj: Order, form: OrderForm, change: bool) -> None:
        """Place the order, or change it with the API's statement."""
        fields = {name: form.cleaned_data[name] for name in names_of(OrderInput)}
        if change:
            fetch_value(ORDER_QUERIES.update_order, id=obj.pk, versions=None, **fields)
            return
        order = place_from_form(request, wait=True, customer_code=obj.customer.code, **fields)
        document = orjson.loads(order.body)
        obj.pk = document["id"]
        messages.info(request, CAME_TWICE if order.replayed else f"SMS: {word_for(document['sms_status']).word}")

    def delete_model(self, request: HttpRequest, obj: Order) -> None:
        """Delete as the desk does, so that it can be restored."""
        fetch_value(QUERIES.delete_order, id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Delete each one so that it can be restored."""
        for order in queryset:
            self.delete_model(request, order)

    @admin.action(description="Send the SMS again", permissions=["change"])
    def resend_sms(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Queue the SMS of the chosen orders again."""
        _resend(self, request, Message.objects.filter(order_id__in=queryset.values("pk")))

    @admin.action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Order]) -> StreamingHttpResponse:
        """Return the chosen orders as CSV."""
        columns = ("id", "item", "amount", "created_at", "customer__code", "customer__name", "customer__phone_number")
        return csv_of("orders", columns, queryset)


def _form_again(request: HttpRequest, *, key: str | None) -> HttpResponse:
    """Redirect to the form of a new order, filled in with what was typed, and with the key to continue with.

    The session keeps what was typed: as parts of an address it would be in the logs of proxies.
    """
    given = {name: request.POST.get(name, "") for name in ("customer", "item", "amount")}
    request.session[_TYPED] = {**given, **({"key": key} if key else {})}
    return HttpResponseRedirect(request.get_full_path())


_TYPED = "order_form"


# --- SMS --------------------------------------------------------------------------------------------------------------


class ReadOnly(Fast):
    """Rows that are a record of what happened, so nobody may change them."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Refuse."""
        return False


def _resend(model_admin: ModelAdmin, request: HttpRequest, queryset: QuerySet[Message]) -> None:
    ids = list(queryset.values_list("pk", flat=True))
    again = outbox.resend(ids)
    model_admin.message_user(
        request, f"{again} of {len(ids)} SMS queued again", messages.SUCCESS if again else messages.WARNING
    )


@admin.register(Message)
class MessageAdmin(ReadOnly):
    """Every SMS and what happened to it, read-only: an SMS is made with its order, and stays as it was sent."""

    list_display = ("phone_number", "state_label", "attempts", "failure_reason", "created_at")
    list_filter = ("state",)
    search_fields = ("phone_number",)
    search_help_text = "A customer's name, code or phone, or the number of an SMS or its order"
    actions = ("resend", "export")
    readonly_fields = ("history",)

    @display(description="State", ordering="state", label=STATE_LABELS)  # type: ignore[untyped-decorator]
    def state_label(self, message: Message) -> tuple[str, str]:
        """Show the state in the desk's words."""
        return message.state, word_for(message.state).word

    @admin.display(description="History")
    def history(self, message: Message) -> str:
        """Show the attempts in the desk's words."""
        lines = [
            (f"{date_format(localtime(attempt.asked_at), 'j M Y, H:i:s')}: {ANSWERS[attempt.state]}", attempt.reason)
            for attempt in Attempt.objects.filter(message_id=message.pk).order_by("number")
        ]
        return format_html_join(mark_safe("<br>"), "{} {}", lines) or "not asked yet"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        """Search by number, or by customer as the desk does."""
        if not search_term:
            return queryset, False
        if number := uuid_or_none(search_term.strip()):
            return queryset.filter(Q(pk=number) | Q(order_id=number)), False
        found = [customer["id"] for customer in find_customers(search_term, FOUND)]
        return queryset.filter(order_id__in=Order.objects.filter(customer__in=found).values("pk")), False

    @admin.action(description="Send again", permissions=["view"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Queue the chosen SMS again."""
        if not request.user.has_perm("orders.change_order"):
            self.message_user(request, "Your role does not send SMS again.", messages.ERROR)
            return
        _resend(self, request, queryset)

    @admin.action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Message]) -> StreamingHttpResponse:
        """Return the chosen SMS as CSV."""
        columns = (
            "id",
            "order_id",
            "phone_number",
            "state",
            "attempts",
            "segments",
            "cost",
            "failure_reason",
            "created_at",
        )
        segments = Func(F("body"), function="sms_segments", output_field=SmallIntegerField())
        return csv_of("sms", columns, queryset.annotate(segments=segments))


@admin.register(OptOut)
class OptOutAdmin(Fast):
    """Numbers that want no more SMS; delete one to allow SMS again."""

    list_display = ("phone_number", "sender_id", "created_at")
    search_fields = ("phone_number__startswith",)
