"""A `manage.py` that is loaded once, because this takes a second: it forks for each command that it reads.

For each command it reads a line of JSON with the arguments and the environment (the settings stay those of its start),
and writes one with the exit status, the output and the error output.
"""

import gc
import json
import os
import runpy
import sys
from tempfile import TemporaryFile

import django
from django.urls import get_resolver


def run(command: list[str], environment: dict[str, str]) -> tuple[int, str, str]:
    """Run the command in a process of its own."""
    with TemporaryFile("w+") as printed, TemporaryFile("w+") as complaint:
        child = os.fork()
        if not child:
            os.dup2(printed.fileno(), 1)
            os.dup2(complaint.fileno(), 2)
            os.environ.update(environment)
            sys.argv = ["manage.py", *command]
            runpy.run_path("manage.py", run_name="__main__")
            sys.exit()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        printed.seek(0)
        complaint.seek(0)
        return status, printed.read(), complaint.read()


if __name__ == "__main__":
    django.setup()
    # Loaded here, because the system checks of every command need it.
    assert get_resolver().url_patterns
    # Otherwise the garbage collection at the end of each fork takes 0.3 s.
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)
