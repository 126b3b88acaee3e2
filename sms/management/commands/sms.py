"""`manage.py sms worker`: send what is in the outbox."""

import asyncio
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from sms.worker import Worker, gateway_from_settings


class Command(BaseCommand):
    """Work on the outbox."""

    help = "worker: send queued SMS until SIGTERM or Ctrl-C, then finish what is in flight"

    def add_arguments(self, parser: CommandParser) -> None:
        """One action."""
        parser.add_argument("action", choices=["worker"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        asyncio.run(_work())


async def _work() -> None:
    async with gateway_from_settings() as gateway:
        worker = Worker(gateway, concurrency=settings.SMS_CONCURRENCY)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, worker.stop)
        await worker.run()
