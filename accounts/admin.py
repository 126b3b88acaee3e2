"""Applications in the admin: to look at, to change where they may redirect to, to delete."""

from django.contrib import admin
from django.http import HttpRequest


class ApplicationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """No secret is shown, and none is made here: `manage.py setup_oauth` prints it once."""

    list_display = ("name", "client_id", "client_type", "authorization_grant_type", "algorithm")
    search_fields = ("name", "client_id")
    fields = ("name", "client_id", "redirect_uris", "post_logout_redirect_uris", "allowed_scopes", "skip_authorization")
    readonly_fields = ("client_id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: see above."""
        return False
