"""A `manage.py` that has its second of starting behind it: it forks for each command that it reads.

It reads a line of JSON for each, the command and the environment (the settings are those that it started with), and
writes one: the exit status, what was printed, and the complaint.
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
    # Every command's system checks load it.
    assert get_resolver().url_patterns
    # Each fork would look through all of it for garbage when it ends: 0.3 s.
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)
