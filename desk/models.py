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
