"""Every address of the service."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from accounts.audit_api import AuditList
from savannah import errors, health, openapi

urlpatterns = [
    # The most frequent ones first: Django tries them in this order.
    path("api/orders/", include("orders.urls")),
    path("api/customers/", include("customers.urls")),
    path("api/audit/", AuditList.as_view(), name="audit"),
    path("api/sms/", include("sms.urls")),
    path("api/schema/", openapi.Schema.as_view(), name="schema"),
    path("api/docs/", openapi.Docs.as_view(), name="docs"),
    re_path(r"^api/", errors.answer_unknown_path),
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("metrics", health.metrics),
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("desk.urls")),
]

handler400 = errors.answer_bad_request
