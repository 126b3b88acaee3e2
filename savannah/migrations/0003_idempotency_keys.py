"""What was answered to requests with an Idempotency-Key (savannah/idempotency.py)."""

from django.db import migrations

KEYS = """
CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    operation text NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    status smallint,
    body text,
    pending uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, operation, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
"""


class Migration(migrations.Migration):
    dependencies = [("savannah", "0002_csv")]

    operations = [migrations.RunSQL(KEYS, "DROP TABLE idempotency_keys")]
