"""Addresses under /api/customers/."""

from django.urls import path

from customers.views import CustomerDetail, CustomerList

urlpatterns = [
    path("", CustomerList.as_view(), name="customers"),
    path("<str:customer_id>/", CustomerDetail.as_view(), name="customer"),
]
