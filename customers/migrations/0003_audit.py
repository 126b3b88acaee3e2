"""Tell the audit of every change."""

from django.db import migrations

from accounts.audit import audited


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0002_roles"),
        ("accounts", "0003_audit"),
    ]

    operations = [audited("customers", left_out=("created_at", "updated_at"), masked=("phone_number",))]
