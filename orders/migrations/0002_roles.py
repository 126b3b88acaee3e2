"""What each role may do with orders."""

from django.db import migrations

from accounts.roles import CLERKS, MANAGERS, VIEWERS, grant


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0001_initial"),
        ("accounts", "0002_roles"),
    ]

    operations = [grant("orders.order", view=VIEWERS, add=CLERKS, change=CLERKS, delete=MANAGERS)]
