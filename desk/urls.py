"""Addresses of the desk."""

from django.urls import path

from desk import views
from desk.overview import overview

urlpatterns = [
    path("", views.counter, name="desk"),
    path("overview/", overview, name="desk-overview"),
    path("live", views.live, name="desk-live"),
    path("customers/new", views.add_customer, name="desk-add-customer"),
    path("customers/<uuid:customer_id>/", views.show_customer, name="desk-customer"),
    path("customers/<uuid:customer_id>/orders", views.add_order, name="desk-add-order"),
    path("customers/<uuid:customer_id>/edit", views.edit_customer, name="desk-edit-customer"),
    path("customers/<uuid:customer_id>/delete", views.delete_customer, name="desk-delete-customer"),
    path("orders/untold/", views.list_untold, name="desk-untold"),
    path("orders/<uuid:order_id>/", views.show_order, name="desk-order"),
    path("orders/<uuid:order_id>/edit", views.edit_order, name="desk-edit-order"),
    path("orders/<uuid:order_id>/delete", views.delete_order, name="desk-delete-order"),
    path("orders/<uuid:order_id>/sms/resend", views.resend_sms, name="desk-resend-sms"),
    path("orders/<uuid:order_id>/sms/cancel", views.cancel_sms, name="desk-cancel-sms"),
    path("deleted/<uuid:deleted_id>/restore", views.restore, name="desk-restore"),
]
