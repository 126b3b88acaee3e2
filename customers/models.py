"""The customers table. The API reads and writes it by `queries.sql`; migrations and the admin use this model."""

from django.contrib.postgres.functions import RandomUUID, TransactionNow
from django.db import models


class Customer(models.Model):
    """Someone who buys, known by a code that the business chose."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    code = models.CharField(max_length=50)
    name = models.CharField(max_length=100)
    phone_number = models.CharField(max_length=20, help_text="E.164: +254712345678")
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)
    updated_at = models.DateTimeField(db_default=TransactionNow(), editable=False)

    class Meta:
        db_table = "customers"
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=["-created_at", "-id"], name="customers_newest_first"),
            models.Index(fields=["name", "id"], name="customers_by_name"),
        )
        constraints = (
            models.UniqueConstraint(fields=["code"], name="customers_code_key"),
            models.CheckConstraint(
                condition=models.Q(phone_number__regex=r"^\+[1-9][0-9]{6,14}$"), name="customers_phone_e164"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"
