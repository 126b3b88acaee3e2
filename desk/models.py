"""What the desk keeps of its own: the way back from a deletion."""

from django.contrib.postgres.functions import RandomUUID, TransactionNow
from django.db import models


class Deleted(models.Model):
    """A customer or an order that was deleted at the desk, whole, until a day has passed."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=200)
    # The rows as they were; each order with `sms_id`. `customer` is null when one order was deleted.
    customer = models.JSONField(null=True)
    orders = models.JSONField()
    deleted_at = models.DateTimeField(db_default=TransactionNow())

    class Meta:
        db_table = "desk_deleted"
        indexes = (models.Index(fields=["deleted_at"], name="desk_deleted_age"),)

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """How many orders or SMS in a state a day (UTC) has, and for how much; kept by triggers (desk/migrations).

    The sum over `slot` is the figure: each transaction counts in a slot of its own, so that none waits for another.
    """

    pk = models.CompositePrimaryKey("day", "kind", "slot")
    day = models.DateField()
    # "order", or the state of an SMS that is neither queued nor being sent.
    kind = models.CharField(max_length=20)
    slot = models.SmallIntegerField()
    number = models.BigIntegerField()
    # What the orders are worth, or what the SMS cost.
    amount = models.DecimalField(max_digits=24, decimal_places=4)

    class Meta:
        db_table = "desk_tallies"
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.day} {self.kind}: {self.number}"
