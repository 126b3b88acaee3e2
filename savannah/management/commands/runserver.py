"""Django's development server, together with what SMS need."""

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.commands.runserver import Command as DjangoRunserver

from savannah.processes import companions, leave_database, owned_data
from savannah.tree import child_of


class Command(DjangoRunserver):
    """`manage.py runserver`, on PORT, migrated, with the SMS worker and (without an API key) the stand-in gateway."""

    default_port = str(settings.PORT)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until Ctrl-C. The autoreloader runs this twice: the companions belong to the outer process."""
        if os.environ.get("RUN_MAIN") == "true":
            super().handle(*args, **options)
            return
        with owned_data():
            call_command("migrate", verbosity=0, interactive=False)
            leave_database()
            children = [child_of(program) for program in companions()]
            for child in children:
                child.start()
            try:
                super().handle(*args, **options)
            finally:
                for child in children:
                    child.end()
