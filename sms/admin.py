"""SMS in the admin, to look at: what was sent is evidence."""

from django.contrib import admin
from django.http import HttpRequest

from sms.models import Message


@admin.register(Message)
class MessageAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Find an SMS by its phone number or state."""

    list_display = ("phone_number", "state", "attempts", "possible_duplicate", "failure_reason", "created_at")
    list_filter = ("state", "possible_duplicate")
    search_fields = ("phone_number",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: an SMS comes with its order."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Message | None = None) -> bool:
        """Refuse: what was sent stays as it was."""
        return False
