"""The service's processes as one tree: a supervisor starts them, restarts those that die, and stops them all.

It is a separate program (`python -m savannah.tree PLAN`) without Django, because it only waits. Once everything is
prepared, `manage.py run` replaces itself by it (exec), and so takes 23 MB instead of 75.
"""

import ctypes
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from types import FrameType

from savannah.embedded.server import stop_server
from savannah.logs import JSONLine, TextLine
from savannah.probe import ask

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
FIRST_RESTART_DELAY, LONGEST_RESTART_DELAY = 0.5, 10.0
# A program that ran this long was healthy: when it dies, its restart delay starts from the beginning.
WELL_SECONDS = 60.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CODE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Program:
    """What one process of the tree runs, and how long it may take to finish."""

    name: str
    command: Sequence[str]
    grace_seconds: float
    # The seconds from one start to the next, for a program that runs periodically; 0: it runs all the time.
    interval: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What `manage.py run` hands over to the supervisor."""

    # Contains this plan and the web's metrics for Prometheus; removed at the end.
    folder: str
    programs: Sequence[Program]
    log_format: str
    # Printed once the service is ready, according to `ready_url`, requested with the Host header `ready_host`.
    announcement: str = ""
    ready_url: str = ""
    ready_host: str = ""
    # The folder of an embedded PostgreSQL, which stops at the end.
    data_dir: str = ""

    def write(self) -> Path:
        """Write the plan into its folder."""
        file = Path(self.folder, "plan.json")
        file.write_text(json.dumps(asdict(self)))
        return file

    @classmethod
    def read(cls, file: Path) -> "Plan":
        """Read a plan that was written."""
        fields = json.loads(file.read_text())
        return cls(**{**fields, "programs": [Program(**program) for program in fields["programs"]]})


class Child:
    """A program that runs all the time: restarted when it dies, after a delay that doubles."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self._started_at = self._restart_at = 0.0
        self._delay = FIRST_RESTART_DELAY

    def start(self) -> None:
        """Start the program in a session of its own: Ctrl-C reaches only us, and we stop the programs in order."""
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.program.command,
            # The specification starts manage.py in savannah_test/, where our modules are not found.
            cwd=_CODE,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads run yet
        )

    def keep_alive(self) -> None:
        """Restart the program if it has died and its delay is over."""
        if self.process is None:
            if time.monotonic() >= self._restart_at:
                self.start()
        elif self.process.poll() is not None:
            self._kill_group()
            if time.monotonic() - self._started_at > WELL_SECONDS:
                self._delay = FIRST_RESTART_DELAY
            name, status = self.program.name, self.process.returncode
            logger.error("%s ended (%s); starting it again in %.1f s", name, status, self._delay)
            self.process, self._restart_at = None, time.monotonic() + self._delay
            self._delay = min(self._delay * 2, LONGEST_RESTART_DELAY)

    def end(self) -> None:
        """Ask the program to finish, and kill it after its grace period."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.program.grace_seconds)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not finish in %.0f s and is killed", self.program.name, self.program.grace_seconds)
        self._kill_group()
        self.process.wait()

    def _kill_group(self) -> None:
        # The child processes of a web or worker that died would go on working, with the old code.
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


class Periodic(Child):
    """A program that ends by itself and is started at intervals."""

    def start(self) -> None:
        """Delay the first run: the other programs are starting up now."""
        self._restart_at = time.monotonic() + min(self.program.interval, 60.0)

    def keep_alive(self) -> None:
        """Start the program when it is due, unless it still runs."""
        if self.process and self.process.poll() is not None:
            self._kill_group()
            if self.process.returncode:
                logger.error("%s failed (%s)", self.program.name, self.process.returncode)
            self.process = None
        if self.process is None and time.monotonic() >= self._restart_at:
            super().start()
            self._restart_at = time.monotonic() + self.program.interval


def child_of(program: Program) -> Child:
    """Return a Periodic for a program with an interval, otherwise a Child."""
    return Periodic(program) if program.interval else Child(program)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def become_tree(plan: Plan) -> None:
    """Replace this process by the supervisor, which inherits open files and blocked signals; does not return."""
    file = plan.write()
    sys.stdout.flush()
    os.chdir(_CODE)
    os.execv(sys.executable, [sys.executable, "-m", "savannah.tree", str(file)])  # noqa: S606


def heed(end: Callable[[int, FrameType | None], None]) -> None:
    """Call `end` on the signals that stop a service; a signal that is ignored (nohup) stays ignored."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


class Tree:
    """The children of a plan, from their start to their end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._children = [child_of(program) for program in plan.programs]
        self._ending = False

    def run(self) -> None:
        """Run until told to stop; whatever happens, leave no process and no folder behind."""
        heed(self._end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        try:
            self._keep_alive()
        finally:
            for child in self._children:
                child.end()
            if self._plan.data_dir:
                stop_server(Path(self._plan.data_dir))
            shutil.rmtree(self._plan.folder, ignore_errors=True)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending = True

    def _keep_alive(self) -> None:
        to_announce = self._plan.announcement
        for child in self._children:
            child.start()
        while not self._ending:
            for child in self._children:
                child.keep_alive()
            if to_announce and self._is_ready():
                print(to_announce, flush=True)
                to_announce = ""
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            with ask(self._plan.ready_url, self._plan.ready_host) as response:
                return bool(json.load(response)["sms_workers"])
        except (OSError, HTTPException, ValueError, KeyError):
            return False


def main() -> None:
    """Run the plan that the command line names."""
    plan = Plan.read(Path(sys.argv[1]))
    handler = logging.StreamHandler()
    handler.setFormatter(JSONLine() if plan.log_format == "json" else TextLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    Tree(plan).run()


if __name__ == "__main__":
    main()
