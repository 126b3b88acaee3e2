"""What each role may do with customers."""

from django.db import migrations

from accounts.roles import CLERKS, MANAGERS, VIEWERS, grant


class Migration(migrations.Migration):
    dependencies = [
        ("customers", "0001_initial"),
        ("accounts", "0002_roles"),
    ]

    operations = [grant("customers.customer", view=VIEWERS, add=CLERKS, change=CLERKS, delete=MANAGERS)]
