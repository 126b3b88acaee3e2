"""The answers of the order endpoints, for the OpenAPI document only: PostgreSQL writes the JSON."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from sms.models import State

LAPTOP = {
    "id": "660e8400-e29b-41d4-a716-446655440001",
    "item": "Laptop Computer",
    "amount": "1299.99",
    "order_time": "2025-09-20T11:00:00.000000Z",
    "created_at": "2025-09-20T11:00:00.000000Z",
    "customer_id": "550e8400-e29b-41d4-a716-446655440000",
    "customer_code": "CUST001",
    "customer_name": "John Doe",
    "customer_phone": "+254712345678",
}


@extend_schema_serializer(examples=[OpenApiExample("Laptop", {**LAPTOP, "sms_status": "delivered"})])
class OrderOutput(serializers.Serializer[Any]):
    """An order as the API shows it (documentation only: PostgreSQL writes the JSON)."""

    id = serializers.UUIDField()
    item = serializers.CharField()
    amount = serializers.DecimalField(max_digits=10, decimal_places=2)
    order_time = serializers.DateTimeField()
    created_at = serializers.DateTimeField()
    customer_id = serializers.UUIDField()
    customer_code = serializers.CharField()
    customer_name = serializers.CharField()
    customer_phone = serializers.CharField()
    sms_status = serializers.ChoiceField(State.choices, allow_null=True, help_text="null: there is no SMS")


@extend_schema_serializer(examples=[OpenApiExample("Laptop", {**LAPTOP, "sms_sent": True, "sms_status": "accepted"})])
class PlacedOrderOutput(OrderOutput):
    """A new order, and what became of its SMS while the request waited."""

    sms_sent = serializers.BooleanField(help_text="the gateway has accepted the SMS")
    sms_status = serializers.ChoiceField(State.choices)


class AttemptOutput(serializers.Serializer[Any]):
    """One time that the gateway was asked."""

    number = serializers.IntegerField()
    asked_at = serializers.DateTimeField()
    answered_at = serializers.DateTimeField(allow_null=True)
    http_status = serializers.IntegerField(allow_null=True)
    status = serializers.CharField()
    reason = serializers.CharField()
    provider_message_id = serializers.CharField()


class ReportOutput(serializers.Serializer[Any]):
    """One delivery report."""

    received_at = serializers.DateTimeField()
    status = serializers.CharField()
    failure_reason = serializers.CharField()
    network_code = serializers.CharField()
    provider_message_id = serializers.CharField()


class SmsOutput(serializers.Serializer[Any]):
    """An SMS with its history."""

    id = serializers.UUIDField()
    status = serializers.CharField()
    phone_number = serializers.CharField()
    body = serializers.CharField()
    segments = serializers.IntegerField()
    encoding = serializers.CharField()
    possible_duplicate = serializers.BooleanField()
    reason = serializers.CharField()
    cost = serializers.CharField()
    provider_message_id = serializers.CharField()
    attempts = AttemptOutput(many=True)
    delivery_reports = ReportOutput(many=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
