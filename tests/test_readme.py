"""The README is true: its first lines, pasted, place an order whose SMS arrives."""

import re
import subprocess

import requests

from conftest import ROOT, Service, eventually, needs_curl

README = (ROOT / "README.md").read_text()


def test_the_tests_that_the_guides_run_are_there():
    guides = README + (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"-m pytest (\w+/[\w/.]+)", guides)
    assert len(named) == 3
    assert all((ROOT / path).exists() for path in named), named


@needs_curl
def test_the_first_sms_comes_by_pasting_lines(service: Service):
    _, section = README.split("## Your first SMS", 1)
    commands = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert commands
    # Another test may have taken the code.
    lines = commands[1].replace("localhost:8000", f"localhost:{service.port}").replace("CUST001", "README")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"sms_sent": true' in done.stdout
    promised = re.search(r"^> (Hello .*)$", README, re.MULTILINE)
    assert promised
    assert eventually(
        lambda: (
            promised[1]
            in [
                entry["text"]
                for entry in requests.get(f"http://127.0.0.1:{service.sandbox_port}/control/ledger", timeout=60).json()[
                    "entries"
                ]
            ]
        )
    )
