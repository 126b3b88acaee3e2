"""The desk's own tables: what can be restored after a deletion, and the figures of the overview."""

from django.contrib.postgres.functions import RandomUUID, TransactionNow
from django.db import models


class Deleted(models.Model):
    """A customer or an order that was deleted at the desk or in the admin, complete, kept for a day to restore it."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID(), editable=False)
    name = models.CharField(max_length=200)
    # The deleted rows; each order also has `sms_id`. `customer` is null if only an order was deleted.
    customer = models.JSONField(null=True)
    orders = models.JSONField()
    deleted_at = models.DateTimeField(db_default=TransactionNow())

    class Meta:
        db_table = "desk_deleted"
        indexes = (models.Index(fields=["deleted_at"], name="desk_deleted_age"),)

    def __str__(self) -> str:
        return self.name


class Tally(models.Model):
    """How many orders, or SMS in a state, a day (UTC) has, and their amount; triggers update it (desk/migrations).

    The figure is the sum over `slot`: each transaction counts in a slot of its own, so that none waits for another.
    """

    pk = models.CompositePrimaryKey("day", "kind", "slot")
    day = models.DateField()
    # "order", or the state of the SMS, except queued and sending.
    kind = models.CharField(max_length=20)
    slot = models.SmallIntegerField()
    number = models.BigIntegerField()
    # The value of the orders, or the cost of the SMS.
    amount = models.DecimalField(max_digits=24, decimal_places=4)

    class Meta:
        db_table = "desk_tallies"
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.day} {self.kind}: {self.number}"
