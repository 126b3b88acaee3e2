"""The command line of the stand-in gateway."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.reports import is_web_address
from sandbox.server import Options, serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal; the exit code is 1 if the address or the ledger cannot be used."""
    options = _options(arguments)
    try:
        asyncio.run(serve(options, _say))
    except BlockingIOError:
        return _failed(f"The ledger {options.ledger} is in use by another stand-in")
    except OSError as error:
        return _failed(f"Cannot start on {options.host}:{options.port}: {error}")
    return 0


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A stand-in for Africa's Talking's SMS gateway, with the customer's phone as a page.",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s); any other lets the network break and mend it",
    )
    parser.add_argument("--port", type=_port, default=8001, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="keep accepted messages in this JSON-lines file")
    parser.add_argument("--api-key", metavar="KEY", help="the only key that is right (default: any)")
    parser.add_argument("--report-url", type=_url, metavar="URL", help="post delivery reports here")
    parser.add_argument("--opt-out-url", type=_url, metavar="URL", help="post opt-outs here")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a Host header to answer to; may be repeated",
    )
    given = parser.parse_args(arguments)
    return Options(
        host=given.host,
        port=given.port,
        ledger=given.ledger,
        api_key=given.api_key,
        report_url=given.report_url,
        opt_out_url=given.opt_out_url,
        allowed_hosts=frozenset(given.allow_host),
    )


def _port(given: str) -> int:
    if not given.isdecimal() or int(given) > 65_535:
        raise argparse.ArgumentTypeError("has to be 0 to 65535")
    return int(given)


def _url(given: str) -> str:
    if not is_web_address(given):
        raise argparse.ArgumentTypeError("has to be an http(s) URL")
    return given


def _say(line: str) -> None:
    print(line, flush=True)


def _failed(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
