"""`manage.py run` (`make run`): the whole service as one process tree, or one part of it."""

import os
import secrets
import signal
import tempfile
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from savannah.processes import companions, leave_database, owned_data, port_is_free, upkeep, web
from savannah.tree import ENDING, Plan, Program, become_tree, heed


class Command(BaseCommand):
    """Migrate, then run web, SMS worker and (without an API key) the stand-in gateway until Ctrl-C or SIGTERM.

    `run web` and `run worker` are its parts, for several containers or hosts; they do not migrate.
    """

    help = "run the whole service, or one part of it, until Ctrl-C or SIGTERM"
    requires_system_checks = ()
    _ending = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the argument for one part; without it, everything runs."""
        parser.add_argument("part", nargs="?", choices=["web", "worker"])

    def handle(self, *args: Any, part: str | None, **options: Any) -> None:
        """Prepare, then become the supervisor (savannah/tree.py), which runs until told to stop."""
        heed(self._end)
        with tempfile.TemporaryDirectory(prefix="savannah-metrics-") as folder:
            # prometheus-client lets the web processes share their metrics here.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            if part == "web":
                self._run(folder, [web()], announcement=_announcement())
            elif part == "worker":
                self._run(folder, [*companions(), *upkeep()])
            else:
                with owned_data():
                    _require_ports()
                    self._prepare()
                    programs = [web(), *companions(), *upkeep()]
                    self._run(folder, programs, announcement=_announcement(), owner=True)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True

    def _prepare(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        if settings.EMBEDDED_DATABASE:
            self._create_first_administrator()
        leave_database()

    def _create_first_administrator(self) -> None:
        users = get_user_model()._default_manager
        if not users.exists():
            password = secrets.token_urlsafe(12)
            users.create_superuser("admin", "admin@example.com", password)
            self.stdout.write(f"First administrator: admin, password {password} (shown this once)")

    def _run(self, folder: str, programs: list[Program], *, announcement: str = "", owner: bool = False) -> None:
        # From here on, signals stay pending until the supervisor unblocks them.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        if self._ending:
            return
        become_tree(
            Plan(
                folder=folder,
                programs=programs,
                log_format=settings.LOG_FORMAT,
                announcement=announcement,
                ready_url=f"http://127.0.0.1:{settings.PORT}/readyz",
                ready_host=settings.PUBLIC_HOST,
                data_dir=str(settings.DATA_DIR) if owner and settings.EMBEDDED_DATABASE else "",
            )
        )


def _announcement() -> str:
    lines = [
        f"Ready. API  {settings.PUBLIC_URL}/api/",
        f"       Docs {settings.PUBLIC_URL}/api/docs/",
        f"       Desk {settings.PUBLIC_URL}/",
        f"      Admin {settings.PUBLIC_URL}/admin/",
    ]
    if settings.SMS_STAND_IN:
        lines.append(f"      Phone {settings.SMS_STAND_IN_URL}/")
    return "\n".join(lines)


def _require_ports() -> None:
    ports = {"PORT": settings.PORT}
    if settings.SMS_STAND_IN:
        ports["SMS_SANDBOX_PORT"] = settings.SMS_SANDBOX_PORT
    for name, port in ports.items():
        if not port_is_free(port):
            raise CommandError(f"Port {port} is in use. Choose another one with {name}.")
