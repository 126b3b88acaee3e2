#!/usr/bin/env python
"""The command line of the service: `python manage.py help` lists what it can do."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import ProgrammingError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "savannah.settings")
    try:
        execute_from_command_line(sys.argv)
    except ProgrammingError:
        from savannah.health import lacks_migrations

        if not lacks_migrations():
            raise
        sys.exit("The database lacks tables. Run `python manage.py migrate` first, or `make run`, which does that.")
