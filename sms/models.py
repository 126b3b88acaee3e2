"""The outbox: a row is the promise of an SMS, its queue entry, and the evidence of what became of it."""

from django.contrib.postgres.functions import RandomUUID, TransactionNow
from django.db import models


class State(models.TextChoices):
    """Where a message is on its way; reference: the states of the gateway's messages in README, "SMS"."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN_STATES = (State.QUEUED, State.SENDING, State.UNKNOWN)


class Message(models.Model):
    """One SMS. `order_id` knows nothing of what an order is; its foreign key is in orders/migrations."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    order_id = models.UUIDField(null=True, unique=True, editable=False)
    phone_number = models.CharField(max_length=20)
    body = models.TextField()
    state = models.CharField(max_length=20, choices=State, db_default=State.QUEUED)
    possible_duplicate = models.BooleanField(db_default=False)
    attempts = models.PositiveSmallIntegerField(db_default=0)
    # When an open message is looked at next: queued - may be sent; sending - the lease ends; unknown - is sent again.
    due_at = models.DateTimeField(db_default=TransactionNow())
    provider_message_id = models.CharField(max_length=100, db_default="")
    cost = models.CharField(max_length=30, db_default="")
    failure_reason = models.CharField(max_length=200, db_default="")
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)
    updated_at = models.DateTimeField(db_default=TransactionNow(), editable=False)

    class Meta:
        db_table = "sms_messages"
        verbose_name = "SMS"
        verbose_name_plural = "SMS"
        ordering = ("-created_at",)
        indexes = (models.Index(fields=["due_at"], condition=models.Q(state__in=OPEN_STATES), name="sms_messages_due"),)
        constraints = (models.CheckConstraint(condition=models.Q(state__in=State.values), name="sms_messages_state"),)

    def __str__(self) -> str:
        return f"{self.phone_number} {self.state}"
