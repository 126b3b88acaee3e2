"""The admin's pages for users, roles, OAuth applications and the audit."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.paginator import InfinitePaginator

from accounts.models import AuditEntry
from savannah.refusals import Chosen

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, Chosen):  # type: ignore[type-arg]
    """Users, and their roles."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "is_active", "is_staff", "last_login")


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, Chosen):
    """Roles, and the rights that each gives."""


class ApplicationAdmin(Chosen):
    """Shows no secrets and adds no applications: `manage.py setup_oauth` does, and prints the secret once."""

    list_display = ("name", "client_id", "client_type", "authorization_grant_type", "algorithm")
    search_fields = ("name", "client_id")
    fields = ("name", "client_id", "redirect_uris", "post_logout_redirect_uris", "allowed_scopes", "skip_authorization")
    readonly_fields = ("client_id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: see above."""
        return False


@admin.register(AuditEntry)
class AuditAdmin(ModelAdmin):  # type: ignore[misc]
    """The audit, read-only. PostgreSQL itself refuses to change or delete an entry (only `upkeep` removes old ones)."""

    list_display = ("at", "actor", "client", "action", "subject", "subject_id")
    list_filter = ("action", "subject")
    search_fields = ("=actor", "=subject_id")
    paginator = InfinitePaginator
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        """Refuse."""
        return False


class Hidden(ModelAdmin):  # type: ignore[misc]
    """Hides codes and tokens: no administrator needs to see them."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Refuse."""
        return False

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission
