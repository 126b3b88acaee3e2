"""The orders table. The API reads and writes it by `queries.sql`; migrations and the admin use this model."""

from django.contrib.postgres.functions import RandomUUID, TransactionNow
from django.db import models
from django.db.models import F
from django.db.models.functions import Lower

from customers.models import Customer


class Order(models.Model):
    """What a customer bought, for how much, and when."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    # The migration creates the foreign key by SQL, so that PostgreSQL itself deletes a customer's orders.
    customer = models.ForeignKey(Customer, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    item = models.CharField(max_length=200)
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    order_time = models.DateTimeField(db_default=TransactionNow())
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)
    updated_at = models.DateTimeField(db_default=TransactionNow(), editable=False)

    class Meta:
        db_table = "orders"
        ordering = ("-created_at", "-id")
        indexes = (
            # Each ends with the other columns that lists filter by: PostgreSQL checks those without reading the row.
            models.Index(fields=["-created_at", "-id", "amount"], name="orders_time"),
            models.Index(fields=["amount", "id", "created_at"], name="orders_amount"),
            models.Index(fields=["customer", "-created_at", "-id", "amount"], name="orders_customer_time"),
            models.Index(fields=["customer", "amount", "id", "created_at"], name="orders_customer_amount"),
            models.Index(Lower("item"), F("created_at").desc(), F("id").desc(), "amount", name="orders_item_time"),
            models.Index(Lower("item"), "amount", "id", "created_at", name="orders_item_amount"),
        )
        constraints = (models.CheckConstraint(condition=models.Q(amount__gt=0), name="orders_amount_positive"),)

    def __str__(self) -> str:
        return f"{self.item} ({self.amount})"
