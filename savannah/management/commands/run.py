"""`manage.py run` (`make run`): the whole service as one process tree, or one part of it."""

import json
import os
import secrets
import signal
import tempfile
import time
import urllib.error
import urllib.request
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from savannah.processes import Child, companions, owned_data, port_is_free, upkeep, web


class Command(BaseCommand):
    """Migrate, then run web, SMS worker and (without an API key) the stand-in gateway until Ctrl-C or SIGTERM.

    `run web` and `run worker` are its parts, for several containers or hosts: they wait for a `migrate` done elsewhere.
    """

    help = "run the whole service, or one part of it, until Ctrl-C or SIGTERM"
    requires_system_checks = ()
    _ending = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Take one part, or none for the whole."""
        parser.add_argument("part", nargs="?", choices=["web", "worker"])

    def handle(self, *args: Any, part: str | None, **options: Any) -> None:
        """Run until told to end; whatever happens, nothing of the tree stays behind."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        with tempfile.TemporaryDirectory(prefix="savannah-metrics-") as folder:
            # Where prometheus-client lets the web processes share their counts.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            self._run_part(part)

    def _run_part(self, part: str | None) -> None:
        if part:
            self._run([web()] if part == "web" else [*companions(), *upkeep()], announced=part == "worker")
        else:
            self._run_whole()

    def _run_whole(self) -> None:
        with owned_data():
            _require_ports()
            self._prepare()
            self._run([web(), *companions(), *upkeep()])

    def _end(self, number: int, frame: object) -> None:
        self._ending = True

    def _prepare(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        if settings.EMBEDDED_DATABASE:
            self._create_first_administrator()
        # What runs from here on has connections of its own.
        connections.close_all()

    def _create_first_administrator(self) -> None:
        users = get_user_model()._default_manager
        if not users.exists():
            password = secrets.token_urlsafe(12)
            users.create_superuser("admin", "admin@example.com", password)
            self.stdout.write(f"First administrator: admin, password {password} (shown this once)")

    def _run(self, children: list[Child], *, announced: bool = False) -> None:
        try:
            for child in children:
                child.start()
            while not self._ending:
                for child in children:
                    child.keep_alive()
                if not announced and _is_ready():
                    self._announce()
                    announced = True
                time.sleep(0.1)
        finally:
            for child in children:
                child.end()

    def _announce(self) -> None:
        lines = [
            f"Ready. API  {settings.PUBLIC_URL}/api/",
            f"       Docs {settings.PUBLIC_URL}/api/docs/",
            f"       Desk {settings.PUBLIC_URL}/",
            f"      Admin {settings.PUBLIC_URL}/admin/",
        ]
        if settings.SMS_STAND_IN:
            lines.append(f"      Phone {settings.SMS_STAND_IN_URL}/")
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _require_ports() -> None:
    ports = {"PORT": settings.PORT}
    if settings.SMS_STAND_IN:
        ports["SMS_SANDBOX_PORT"] = settings.SMS_SANDBOX_PORT
    for name, port in ports.items():
        if not port_is_free(port):
            raise CommandError(f"Port {port} is in use. Choose another one with {name}.")


def _is_ready() -> bool:
    address = f"http://127.0.0.1:{settings.PORT}/readyz"
    try:
        request = urllib.request.Request(address, headers={"Host": settings.PUBLIC_HOST})
        with urllib.request.urlopen(request, timeout=2) as response:  # noqa: S310
            return bool(json.load(response)["sms_workers"])
    except (urllib.error.URLError, OSError):
        return False
