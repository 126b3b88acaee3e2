"""Orders in the admin, to look at: an order is placed through the API, which sends its SMS."""

from django.contrib import admin
from django.http import HttpRequest

from orders.models import Order


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Find an order by its item or its customer."""

    list_display = ("item", "amount", "customer", "order_time")
    list_select_related = ("customer",)
    search_fields = ("item", "customer__code", "customer__name")
    autocomplete_fields = ("customer",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a row added here would have no SMS."""
        return False
