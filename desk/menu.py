"""The admin's menu, in the words of the business, with a link back to the desk."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

# Each section's title and lists; of each list, the model, the label and the icon (Material Symbols, part of unfold).
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
    """Return the menu entries that the user may see, in the form that unfold expects (UNFOLD["SIDEBAR"])."""
    # unfold marks a link as active on each page whose address begins with the link's: with "/" that is every page.
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
