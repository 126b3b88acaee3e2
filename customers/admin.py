"""Customers in the admin."""

from django.contrib import admin

from customers.models import Customer


@admin.register(Customer)
class CustomerAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Find a customer by code, name or phone."""

    list_display = ("code", "name", "phone_number", "created_at")
    search_fields = ("code", "name", "phone_number")
    show_full_result_count = False
