"""Assembles the stand-in: routes, the check of Host and Origin, start and stop."""

import asyncio
import ipaddress
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.bell import Bell
from sandbox.control import Control
from sandbox.faults import FaultBox
from sandbox.gateway import Gateway
from sandbox.ledger import Ledger
from sandbox.phone import Phone
from sandbox.reports import Reporter

SECONDS_TO_END = 0.2
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the stand-in is started. allowed_hosts: Host names it accepts besides localhost, `host` and IP addresses."""

    host: str = "127.0.0.1"
    port: int = 8001
    ledger: Path | None = None
    api_key: str | None = None
    report_url: str | None = None
    opt_out_url: str | None = None
    allowed_hosts: frozenset[str] = field(default_factory=frozenset)


async def serve(options: Options, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `say` gets one line once connections are accepted.

    Raises OSError if the address or the ledger cannot be used.
    """
    ledger = Ledger(options.ledger)
    runner = web.AppRunner(
        application(options, ledger),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=SECONDS_TO_END,
    )
    try:
        await runner.setup()
        await web.TCPSite(runner, options.host, options.port, backlog=1024).start()
        say(_started(runner, options, ledger))
        await _told_to_end()
    finally:
        await runner.cleanup()
        ledger.close()


def application(options: Options, ledger: Ledger) -> web.Application:
    """The stand-in as an aiohttp application."""
    bell, faults, reporter = Bell(), FaultBox(), Reporter(options.report_url)
    gateway = Gateway(ledger=ledger, faults=faults, reporter=reporter, bell=bell, api_key=options.api_key)
    control = Control(
        ledger=ledger,
        faults=faults,
        reporter=reporter,
        traffic=gateway.traffic,
        bell=bell,
        opt_out_url=options.opt_out_url,
    )
    phone = Phone(ledger=ledger, bell=bell, state=control.state)

    async def start(_: web.Application) -> None:
        await reporter.start()

    async def stop(_: web.Application) -> None:
        await reporter.stop()

    app = web.Application(middlewares=[_guard(options)])
    app.add_routes(
        [
            web.post("/version1/messaging", gateway.messaging),
            web.post("/version1/messaging/bulk", gateway.bulk),
            *control.routes(),
            *phone.routes(),
        ]
    )
    app.on_startup.append(start)
    app.on_cleanup.append(stop)
    return app


def _guard(options: Options) -> Middleware:
    names = options.allowed_hosts | {"localhost", options.host}

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        # Against DNS rebinding: a site can point its own name at this machine, but then Host has that name.
        if not _is_ours(request.host, names):
            return web.Response(status=421, text="This host is not served here")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return web.Response(status=403, text="Other sites' pages may not use this")
        if request.path.startswith("/version1/"):
            return await handler(request)
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            response = web.json_response({"error": refusal.text}, status=refusal.status)
            response.headers.update(
                {name: refusal.headers[name] for name in ("Allow", "Retry-After") if name in refusal.headers}
            )
        if not response.prepared:
            response.headers.update(SECURITY_HEADERS)
        return response

    return guard


def _is_ours(host: str, names: frozenset[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True


def _started(runner: web.AppRunner, options: Options, ledger: Ledger) -> str:
    port = runner.addresses[0][1]
    host = f"[{options.host}]" if ":" in options.host else options.host
    kept = f"ledger {ledger.path}, {ledger.total} messages" if ledger.path else "ledger in memory only"
    unreadable = f", {ledger.unreadable_lines} unreadable lines left out" if ledger.unreadable_lines else ""
    return f"Stand-in SMS gateway on http://{host}:{port}/ ({kept}{unreadable})"


async def _told_to_end() -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    await told.wait()
