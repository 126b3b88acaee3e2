"""Addresses under /api/orders/."""

from django.urls import path

from orders.views import OrderDetail, OrderList, OrdersByCustomerCode, OrdersByCustomerId, OrderSms, OrderUpload

urlpatterns = [
    path("", OrderList.as_view(), name="orders"),
    path("upload/", OrderUpload.as_view(), name="orders-upload"),
    path("by-customer/", OrdersByCustomerCode.as_view(), name="orders-by-customer-code"),
    path("customer/<str:customer_id>/", OrdersByCustomerId.as_view(), name="orders-by-customer-id"),
    path("<str:order_id>/", OrderDetail.as_view(), name="order"),
    path("<str:order_id>/sms/", OrderSms.as_view(), name="order-sms"),
]
