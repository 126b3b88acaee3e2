"""TCP keep-alive on the socket that granian listens on, to detect lost clients."""

import os
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from stat import S_ISSOCK

# After this silence the kernel sends keep-alive probes. It drops a client that answers none, after a minute in total.
SILENT_SECONDS = 30
ASK_EVERY_SECONDS = 10
ASK_TIMES = 3


@cache
def notice_lost_clients() -> None:
    """Let the kernel close the connections of clients that vanished without closing them, as phones do; once a process.

    granian waits for the rest of a body as long as the connection is open. It starts to listen only after importing the
    application, so the first request calls this. Later connections inherit the options that are set here.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError):  # there may be no /proc
        for number in [int(name.name) for name in Path("/proc/self/fd").iterdir()]:
            with suppress(OSError):  # iterdir's own descriptor is closed by now
                if S_ISSOCK(os.fstat(number).st_mode):
                    _keep_alive(number)


def _keep_alive(number: int) -> None:
    with socket.socket(fileno=os.dup(number)) as found:
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and found.family != socket.AF_UNIX:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_SECONDS)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_EVERY_SECONDS)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASK_TIMES)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
