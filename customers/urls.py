"""Addresses under /api/customers/."""

from django.urls import path

from customers.views import CustomerDetail, CustomerList, CustomerUpload

urlpatterns = [
    path("", CustomerList.as_view(), name="customers"),
    path("upload/", CustomerUpload.as_view(), name="customers-upload"),
    path("<str:customer_id>/", CustomerDetail.as_view(), name="customer"),
]
