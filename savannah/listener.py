"""The socket that granian listens on: clients that vanish are noticed."""

import os
import socket
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from stat import S_ISSOCK

# A client that says nothing is asked whether it is there; without an answer it is gone, after a minute in all.
SILENT_SECONDS = 30
ASK_EVERY_SECONDS = 10
ASK_TIMES = 3


@cache
def notice_lost_clients() -> None:
    """Have the kernel hang up on clients that have vanished without a word, as phones do; once in a process.

    granian waits for the rest of a body for as long as the connection stands. It listens only after it has imported the
    application: the first request says that it does. Each connection from then on inherits what is set here.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError):  # there may be no /proc
        for number in [int(name.name) for name in Path("/proc/self/fd").iterdir()]:
            with suppress(OSError):  # the folder's own is closed by now
                if S_ISSOCK(os.fstat(number).st_mode):
                    _keep_alive(number)


def _keep_alive(number: int) -> None:
    with socket.socket(fileno=os.dup(number)) as found:
        if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and found.family != socket.AF_UNIX:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_SECONDS)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ASK_EVERY_SECONDS)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASK_TIMES)
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
