"""Addresses under /api/sms/, for the gateway only."""

from django.urls import path

from sms import views

urlpatterns = [
    path("delivery-reports/<str:secret>/", views.delivery_report, name="sms-delivery-report"),
    path("opt-outs/<str:secret>/", views.opt_out, name="sms-opt-out"),
]
