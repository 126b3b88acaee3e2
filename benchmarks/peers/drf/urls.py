"""The peer's one view: a ModelViewSet on orders, and how an order's SMS is sent."""

import threading
from typing import Any
from uuid import uuid4

import requests
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.urls import include, path
from rest_framework import serializers, viewsets
from rest_framework.routers import DefaultRouter

application = get_wsgi_application()

from benchmarks.peers.drf.models import Customer, Message, Order  # noqa: E402 - models need the application

_thread = threading.local()


class OrderSerializer(serializers.ModelSerializer):
    """An order with its customer, as the specification shows it."""

    customer_code = serializers.SlugRelatedField(source="customer", slug_field="code", queryset=Customer.objects.all())
    customer_name = serializers.CharField(source="customer.name", read_only=True)
    customer_phone = serializers.CharField(source="customer.phone_number", read_only=True)

    class Meta:
        model = Order
        fields = (
            "id",
            "item",
            "amount",
            "order_time",
            "created_at",
            "customer_id",
            "customer_code",
            "customer_name",
            "customer_phone",
        )
        read_only_fields = ("id", "order_time", "created_at")

    def create(self, validated_data: dict[str, Any]) -> Order:
        """Record the order and its SMS in one transaction; ask the gateway, if there is one, and record its answer."""
        with transaction.atomic():
            order = Order.objects.create(id=uuid4(), **validated_data)
            customer = order.customer
            message = Message.objects.create(
                id=uuid4(),
                order=order,
                phone_number=customer.phone_number,
                body=f"Hello {customer.name}! Your order for {order.item} worth KES {order.amount} has been received. "
                "Thank you!",
                state="sending" if settings.GATEWAY_URL else "queued",
                attempts=1,
                due_at=None,
            )
        if settings.GATEWAY_URL:
            _send(message)
        return order


def _send(message: Message) -> None:
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
        _thread.session.trust_env = False
    form = {"username": "sandbox", "to": message.phone_number, "message": message.body}
    reply = _thread.session.post(f"{settings.GATEWAY_URL}/version1/messaging", data=form, timeout=25).json()
    recipient = reply["SMSMessageData"]["Recipients"][0]
    Message.objects.filter(pk=message.pk).update(
        state="accepted", provider_message_id=recipient["messageId"], cost=recipient["cost"]
    )


class OrderViewSet(viewsets.ModelViewSet):
    """Orders, newest first."""

    queryset = Order.objects.select_related("customer").order_by("-created_at", "-id")
    serializer_class = OrderSerializer


router = DefaultRouter()
router.register("orders", OrderViewSet)
urlpatterns = [path("api/", include(router.urls))]
