"""The service's own tables, as Django models."""

from django.db import models
from django.db.models.functions import Now
from oauth2_provider.models import AbstractApplication


class Application(AbstractApplication):
    """An OAuth 2.0 client."""

    class Meta:
        db_table = "applications"
        managed = False


class Customer(models.Model):
    """Somebody who buys."""

    id = models.UUIDField(primary_key=True)
    code = models.CharField(max_length=50, unique=True)
    name = models.CharField(max_length=100)
    phone_number = models.CharField(max_length=20)

    class Meta:
        db_table = "customers"
        managed = False


class Order(models.Model):
    """What a customer bought."""

    id = models.UUIDField(primary_key=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    item = models.CharField(max_length=200)
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    order_time = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "orders"
        managed = False


class Message(models.Model):
    """An SMS."""

    id = models.UUIDField(primary_key=True)
    order = models.OneToOneField(Order, on_delete=models.SET_NULL, null=True)
    phone_number = models.CharField(max_length=20)
    body = models.TextField()
    state = models.CharField(max_length=20)
    attempts = models.SmallIntegerField()
    due_at = models.DateTimeField(null=True)
    provider_message_id = models.CharField(max_length=100, db_default="")
    cost = models.CharField(max_length=30, db_default="")

    class Meta:
        db_table = "sms_messages"
        managed = False
