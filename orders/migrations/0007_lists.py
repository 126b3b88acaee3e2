"""Lists read no row in vain: wider indexes, which know of an order all that lists filter and sort by."""

from django.db import migrations, models
from django.db.models import F
from django.db.models.functions import Lower

from savannah.indexes import index, no_index

NEWEST = (F("created_at").desc(), F("id").desc())
NEW = {
    "created_at DESC, id DESC, amount": models.Index(fields=["-created_at", "-id", "amount"], name="orders_time"),
    "amount, id, created_at": models.Index(fields=["amount", "id", "created_at"], name="orders_amount"),
    "customer_id, created_at DESC, id DESC, amount": models.Index(
        fields=["customer", "-created_at", "-id", "amount"], name="orders_customer_time"
    ),
    "customer_id, amount, id, created_at": models.Index(
        fields=["customer", "amount", "id", "created_at"], name="orders_customer_amount"
    ),
    "lower(item), created_at DESC, id DESC, amount": models.Index(
        Lower("item"), *NEWEST, F("amount"), name="orders_item_time"
    ),
    "lower(item), amount, id, created_at": models.Index(
        Lower("item"), F("amount"), F("id"), F("created_at"), name="orders_item_amount"
    ),
}
# Each is the beginning of one of those.
OLD = {
    "orders_newest_first": "created_at DESC, id DESC",
    "orders_by_amount": "amount, id",
    "orders_of_customer": "customer_id, created_at DESC, id DESC",
    "orders_by_item": "lower(item), created_at DESC, id DESC",
}


class Migration(migrations.Migration):
    # Indexes of a big table, built while it is written to; those of before go when all are there.
    atomic = False
    dependencies = [("orders", "0006_documents_of_text")]

    operations = [
        *(index(new.name, f"orders ({columns})", [migrations.AddIndex("order", new)]) for columns, new in NEW.items()),
        *(no_index(old, f"orders ({columns})", [migrations.RemoveIndex("order", old)]) for old, columns in OLD.items()),
    ]
