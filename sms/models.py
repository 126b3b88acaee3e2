"""The outbox: a row is the promise of an SMS, its queue entry, and the record of what happened to it."""

from django.contrib.postgres.functions import RandomUUID, TransactionNow
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q


class State(models.TextChoices):
    """The state of a message; docs/reliability.md has a diagram."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Message(models.Model):
    """One SMS. This app does not know what an order is: the foreign key of `order_id` is made in orders/migrations."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    order_id = models.UUIDField(null=True, unique=True, editable=False)
    phone_number = models.CharField(max_length=20)
    body = models.TextField()
    state = models.CharField(max_length=20, choices=State, db_default=State.QUEUED)
    possible_duplicate = models.BooleanField(db_default=False)
    # Its order was deleted: it is not sent again.
    withdrawn = models.BooleanField(db_default=False)
    attempts = models.PositiveSmallIntegerField(db_default=0)
    # When a worker acts next: queued - may be sent; sending - the lease expires; unknown - is sent again. Null: never.
    due_at = models.DateTimeField(null=True, db_default=TransactionNow())
    provider_message_id = models.CharField(max_length=100, db_default="")
    cost = models.CharField(max_length=30, db_default="")
    failure_reason = models.CharField(max_length=200, db_default="")
    # A request waits, or has waited, for its outcome.
    awaited = models.BooleanField(db_default=False, editable=False)
    # The id of the request that placed the order: the log lines of that request and of the worker have it.
    request_id = models.CharField(max_length=64, db_default="", editable=False)
    queued_at = models.DateTimeField(db_default=TransactionNow(), editable=False)
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)
    updated_at = models.DateTimeField(db_default=TransactionNow(), editable=False)

    class Meta:
        db_table = "sms_messages"
        verbose_name = "SMS"
        verbose_name_plural = "SMS"
        ordering = ("-created_at",)
        indexes = (
            models.Index(fields=["due_at"], condition=Q(state__in=("queued", "unknown")), name="sms_messages_due"),
            models.Index(fields=["created_at"], condition=Q(state="queued", attempts=0), name="sms_messages_fresh"),
            models.Index(
                fields=["created_at"],
                condition=Q(awaited=True, state="queued", attempts=0),
                name="sms_messages_awaited",
            ),
            models.Index(fields=["due_at"], condition=Q(state="sending"), name="sms_messages_leased"),
            models.Index(
                fields=["phone_number"],
                condition=Q(state__in=("queued", "sending", "unknown")),
                name="sms_messages_open_phone",
            ),
            models.Index(
                fields=["phone_number"], condition=Q(possible_duplicate=True), name="sms_messages_doubled_phone"
            ),
            BrinIndex(fields=["created_at"], name="sms_messages_age"),
        )
        constraints = (models.CheckConstraint(condition=Q(state__in=State.values), name="sms_messages_state"),)

    def __str__(self) -> str:
        return f"{self.phone_number} {self.state}"


class Attempt(models.Model):
    """One request to the gateway, and its result. Only an unknown result changes: by a report, or by a late worker."""

    pk = models.CompositePrimaryKey("message_id", "number")
    # The migration makes the foreign key in SQL, with ON DELETE CASCADE: PostgreSQL deletes a message's attempts.
    message = models.ForeignKey(Message, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)
    number = models.PositiveSmallIntegerField()
    asked_at = models.DateTimeField()
    # Null if no reply came.
    answered_at = models.DateTimeField(null=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    state = models.CharField(max_length=20, choices=State)
    reason = models.CharField(max_length=200, db_default="")
    provider_message_id = models.CharField(max_length=100, db_default="")

    class Meta:
        db_table = "sms_attempts"
        indexes = (
            models.Index(
                fields=["provider_message_id"], condition=~Q(provider_message_id=""), name="sms_attempts_provider_id"
            ),
            BrinIndex(fields=["asked_at"], name="sms_attempts_age"),
        )

    def __str__(self) -> str:
        return f"{self.number}: {self.state}"


class Report(models.Model):
    """One delivery report as the gateway posted it; `message` is null until the report is matched."""

    provider_message_id = models.CharField(max_length=100)
    status = models.CharField(max_length=50)
    phone_number = models.CharField(max_length=20)
    failure_reason = models.CharField(max_length=200, db_default="")
    network_code = models.CharField(max_length=20, db_default="")
    received_at = models.DateTimeField(db_default=TransactionNow(), editable=False)
    message = models.ForeignKey(Message, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False)

    class Meta:
        db_table = "sms_reports"
        indexes = (
            models.Index(fields=["message"], name="sms_reports_message"),
            models.Index(fields=["received_at"], condition=Q(message=None), name="sms_reports_unmatched"),
        )
        constraints = (models.UniqueConstraint(fields=["provider_message_id", "status"], name="sms_reports_event_key"),)

    def __str__(self) -> str:
        return f"{self.provider_message_id} {self.status}"


class OptOut(models.Model):
    """A number that wants no more SMS. Delete the row to allow SMS again."""

    phone_number = models.CharField(max_length=20, primary_key=True)
    sender_id = models.CharField(max_length=50, db_default="")
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)

    class Meta:
        db_table = "sms_opt_outs"
        verbose_name = "opt-out"

    def __str__(self) -> str:
        return self.phone_number


class Pause(models.Model):
    """Sending through one gateway is paused: why, and until when. All workers and /readyz read it."""

    gateway = models.CharField(max_length=200, primary_key=True)
    reason = models.CharField(max_length=200)
    # Someone has to act (funds, sender name, API key); otherwise it recovers by itself.
    needs_help = models.BooleanField()
    paused_until = models.DateTimeField()
    since = models.DateTimeField(db_default=TransactionNow())

    class Meta:
        db_table = "sms_pauses"

    def __str__(self) -> str:
        return self.reason
