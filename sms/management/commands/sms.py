"""`manage.py sms`: the worker, and the operator's commands for the outbox."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_duration
from tqdm import tqdm

from savannah.sql import fetch_value
from sms import outbox
from sms.models import State
from sms.outbox import QUERIES
from sms.worker import work


class Command(BaseCommand):
    """Run the worker, show the outbox, queue messages again, or print the callback addresses."""

    help = (
        "worker: send queued SMS; status: what is in the outbox; resend: queue some again; callbacks: for the gateway"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add one subcommand per action."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("worker", help="send queued SMS until SIGTERM or Ctrl-C, then finish what is in flight")
        status = actions.add_parser("status", help="messages by state, the oldest queued, the rate")
        status.add_argument("--json", action="store_true")
        resend = actions.add_parser("resend", help="queue messages again; asks first")
        resend.add_argument(
            "--id", action="append", dest="ids", type=UUID, metavar="ID", help="of a message; repeatable"
        )
        resend.add_argument(
            "--state", action="append", dest="states", choices=RESENDABLE, help="every message in it; repeatable"
        )
        for name, which in (("--older-than", "before"), ("--newer-than", "after")):
            resend.add_argument(
                name,
                type=_duration,
                metavar="AGE",
                help=f'placed {which} this: "02:30:00", "3 days" (default: any age)',
            )
        resend.add_argument("--yes", action="store_true", help="do not ask")
        actions.add_parser("callbacks", help="the addresses to enter at the gateway; they hold a secret")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action."""
        match options["action"]:
            case "worker":
                asyncio.run(work())
            case "status":
                self._show_status(as_json=options["json"])
            case "resend":
                self._resend(options)
            case "callbacks":
                for path in ("delivery-reports", "opt-outs"):
                    self.stdout.write(f"{settings.PUBLIC_URL}/api/sms/{path}/{settings.SMS_CALLBACK_SECRET}/")

    def _show_status(self, *, as_json: bool) -> None:
        status = {**json.loads(fetch_value(QUERIES.get_status)), "held_up": outbox.holds_up()}
        if as_json:
            self.stdout.write(json.dumps(status))
            return
        for state, count in status["messages"].items():
            self.stdout.write(f"{state:<12} {count:>9,}")
        oldest = status["oldest_queued_seconds"]
        self.stdout.write(f"oldest queued: {'-' if oldest is None else timedelta(seconds=oldest)}")
        minute = status["last_minute"]
        rate = f"{minute['accepted'] / 60:.1f} a second"
        self.stdout.write(f"last minute: {minute['asked']:,} asked, {minute['accepted']:,} accepted ({rate})")
        self.stdout.write(f"numbers opted out: {status['opted_out']:,}")
        for pause in status["held_up"]:
            need = "; someone has to act" if pause["needs_help"] else ""
            self.stdout.write(f"HELD UP since {pause['since']}: {pause['reason']}{need}")

    def _resend(self, options: dict[str, Any]) -> None:
        chosen = {name: options[name] for name in ("ids", "states", "older_than", "newer_than")}
        if not chosen["ids"] and not chosen["states"]:
            raise CommandError("Say which: --id or --state, and --older-than or --newer-than if you like.")
        count = fetch_value(QUERIES.count_resendable, **chosen)
        if count and not options["yes"] and input(f"Queue {count:,} SMS again? [y/N] ").strip().lower() != "y":
            raise CommandError("Nothing was changed.")
        started, queued = fetch_value(QUERIES.read_clock), 0
        with tqdm(total=count, unit=" SMS") as bar:
            while ids := fetch_value(QUERIES.find_resendable, **chosen, started=started):
                queued += outbox.resend(ids)
                bar.update(len(ids))
        self.stdout.write(f"{queued:,} SMS are queued again.")


RESENDABLE = sorted({*State.values} - {State.QUEUED, State.SENDING})


def _duration(text: str) -> float:
    duration = parse_duration(text)
    if duration is None:
        raise ValueError(text)
    return duration.total_seconds()
