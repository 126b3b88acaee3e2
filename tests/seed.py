"""A data folder with a migrated PostgreSQL: copying it takes a moment, creating one takes seconds."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

# The service under test has its own database, and a `make` in a test is not part of the `make` that runs the tests.
NOT_HANDED_ON = ("POSTGRES_", "SECRET_KEY", "MAKE", "MFLAGS")


def grown_in(folder: Path) -> Path:
    """Return the seed in the folder; the first process creates it."""
    seed = folder / "seed"
    with (folder / "seed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not seed.exists():
            _grow(folder / "seedling").rename(seed)
    return seed


def _grow(folder: Path) -> Path:
    handed_on = {name: value for name, value in os.environ.items() if not name.startswith((*NOT_HANDED_ON, "COV"))}
    environment = {**handed_on, "SAVANNAH_DATA_DIR": str(folder)}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v", "0"],
        cwd=Path(__file__).parent.parent,
        env=environment,
        check=True,
    )
    with (folder / "postgres" / "postgresql.conf").open("a") as configuration:
        # Without fsync, commits still survive the death of a process, and no test cuts the power.
        configuration.write("fsync = off\n")
    return folder


def planted(seed: Path, data_dir: Path) -> Path:
    """Give the data folder a copy of the seed's database; return the folder."""
    subprocess.run(["cp", "-a", seed / "postgres", data_dir], check=True)
    return data_dir
