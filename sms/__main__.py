"""`python -m sms`: the worker, as `manage.py sms worker`, but without loading Django's apps, which it does not use."""

import asyncio
import os

from django.conf import settings
from django.utils.log import configure_logging

from sms.worker import work

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "savannah.settings")
    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    asyncio.run(work())
