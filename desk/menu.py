"""The admin's menu: the words of the business, and the way back to the desk."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

# Each section's title, and its lists: model, what it is called, and its sign (Material Symbols, which unfold ships).
SECTIONS = (
    (
        "Business",
        (
            ("customers.customer", "Customers", "group"),
            ("orders.order", "Orders", "receipt_long"),
            ("sms.message", "SMS", "sms"),
            ("sms.optout", "Opt-outs", "notifications_off"),
        ),
    ),
    (
        "Access",
        (
            ("auth.user", "Users", "person"),
            ("auth.group", "Roles", "badge"),
            ("accounts.application", "Applications", "apps"),
            ("accounts.auditentry", "Audit", "history"),
        ),
    ),
)


def sections(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what of the menu the user may see, as unfold takes it (UNFOLD["SIDEBAR"])."""
    # unfold takes whatever begins with a link's address, and so every page, for a part of it.
    back = {"title": "Back to the desk", "icon": "storefront", "link": reverse("desk"), "active": False}
    menu: list[dict[str, Any]] = [{"items": [back]}]
    for title, lists in SECTIONS:
        items = [
            {"title": name, "icon": icon, "link": reverse(f"admin:{model.replace('.', '_')}_changelist")}
            for model, name, icon in lists
            if request.user.has_perm("{}.view_{}".format(*model.split(".")))
        ]
        menu.append({"title": title, "items": items})
    return menu
