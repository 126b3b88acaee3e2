"""The admin's forms for customers and orders: the API's rules check them, and nobody overwrites an unseen change."""

from typing import Any, ClassVar
from uuid import uuid4

from django import forms

from customers.views import QUERIES as CUSTOMER_QUERIES
from customers.views import CustomerInput
from desk.forms import checked
from orders.placing import QUERIES as ORDER_QUERIES
from orders.views import OrderInput
from savannah.api import Input
from savannah.sql import fetch_one


class CheckedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that the API's rules check, and that saves only if the row is still the version that was opened."""

    rules: ClassVar[type[Input]]
    # The API's statement that reads a row and its version.
    reading: ClassVar[str]
    version = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance._state.adding:
            self.fields["version"].initial = self._version()

    def _version(self) -> str | None:
        row = fetch_one(self.reading, id=self.instance.pk)
        return str(row[1]) if row else None

    def _refuse_if_changed_meanwhile(self) -> None:
        """Lock the row until it is saved; if its version has changed, show its values, and accept the next try."""
        now = type(self.instance)._default_manager.select_for_update().filter(pk=self.instance.pk).first()
        version = self._version()
        if now is None or self.data.get("version") == version:
            return
        values = "; ".join(f"{name}: {getattr(now, name)}" for name in names_of(self.rules))
        self.add_error(
            None, f"Somebody else has changed it since you opened it. It is now {values}. Save again if yours is right."
        )
        self.data = {**{name: self.data[name] for name in self.data}, "version": version}

    def clean(self) -> dict[str, Any]:
        """Return the fields as the API validates them."""
        given = super().clean() or {}
        if not self.instance._state.adding:
            self._refuse_if_changed_meanwhile()
        fields, faults = checked(self.rules, {name: str(given[name]) for name in names_of(self.rules) if name in given})
        for name, fault in faults.items():
            if name in self.fields and not self.has_error(name):
                self.add_error(name, fault.capitalize())
        return {**given, **fields}


def names_of(rules: type[Input]) -> list[str]:
    """Return the names of the fields that these rules check."""
    return [str(name) for name in rules().fields]


class CustomerForm(CheckedForm):
    """The fields of a customer."""

    rules = CustomerInput
    reading = CUSTOMER_QUERIES.get_customer


class OrderForm(CheckedForm):
    """The fields of an order."""

    rules = OrderInput
    reading = ORDER_QUERIES.get_order
    # So that the form of a new order places one order even if it is sent twice.
    key = forms.UUIDField(widget=forms.HiddenInput, required=False, initial=uuid4)
