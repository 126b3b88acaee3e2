"""What deploy/ asks of /metrics is there; what smoke.sh says is true; deploy.sh asks every hook."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from django.core.management import get_commands

from conftest import ROOT, needs_curl

NAMES = re.compile(r"\bsavannah_[a-z0-9_]+")
DEPLOY = ROOT / "deploy"
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(service):
    served = set(NAMES.findall(requests.get(f"{service.url}/metrics", timeout=60).text))
    asked = {name for file in ("alerts.yml", "grafana-dashboard.json") for name in _asked(DEPLOY / file)}
    assert asked >= {"savannah_sms_oldest_due_seconds", "savannah_request_seconds_bucket"}
    assert asked - served == set()


def _asked(file) -> set[str]:
    return set(NAMES.findall(file.read_text()))


def test_every_alert_has_its_paragraph_in_the_operations_guide():
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "alerts.yml").read_text())
    guide = (ROOT / "docs" / "operations.md").read_text()
    assert alerts
    assert [alert for alert in alerts if f"### {alert}\n" not in guide] == []


def test_the_operations_guide_names_commands_that_there_are():
    named = set(re.findall(r"manage\.py (\w+)", (ROOT / "docs" / "operations.md").read_text()))
    assert {"backup", "restore", "migrate", "run"} <= named
    assert named - set(get_commands()) == set()


@needs_curl
def test_the_lines_of_the_operations_guide_that_look_run_as_pasted(service):
    (block,) = (text for text in BLOCKS if "/readyz" in text)
    lines = block.replace("localhost:8000", f"localhost:{service.port}")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", lines], capture_output=True, text=True, check=True)
    assert '"status": "ready"' in done.stdout
    assert "savannah_sms_workers 1" in done.stdout


def test_panels_of_the_dashboard_do_not_overlap():
    places = [panel["gridPos"] for panel in json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]]
    cells = [(place["x"] + x, place["y"]) for place in places for x in range(place["w"])]
    assert len(cells) == len(set(cells))


@needs_curl
def test_the_smoke_test_passes_here_and_fails_for_another_version(service):
    def smoke(version: str, *, seconds: int) -> subprocess.CompletedProcess[str]:
        command = [str(DEPLOY / "smoke.sh"), service.url, version]
        environment = {"PATH": "/usr/bin:/bin", "SMOKE_SECONDS": str(seconds)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    passed, other = smoke("unreleased", seconds=60), smoke("v9.9.9", seconds=0)
    assert (passed.returncode, passed.stderr) == (0, "")
    assert passed.stdout.startswith(f"{service.url} works")
    assert other.returncode == 1
    assert "Not ready" in other.stderr


class Hooks(ThreadingHTTPServer):
    """The deploy hooks of web and worker: what they were asked for, and what they answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.asked: list[str] = []
        self.refuses = "nobody"

    def deploy(self, image: str) -> subprocess.CompletedProcess[str]:
        hooks = "".join(f"http://127.0.0.1:{self.server_port}/{name}?key=s3cret\n" for name in ("web", "worker"))
        environment = {"PATH": "/usr/bin:/bin", "DEPLOY_HOOKS": hooks}
        command = [str(DEPLOY / "deploy.sh"), image]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


class _Hook(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        refused = self.path.startswith(f"/{self.server.refuses}?")
        self.send_response(HTTPStatus.UNAUTHORIZED if refused else HTTPStatus.OK)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    with Hooks() as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@needs_curl
def test_deploying_asks_every_hook_for_the_image(hooks):
    done = hooks.deploy("ghcr.io/savannah/orders@sha256:1f")
    assert done.returncode == 0, done.stderr
    image = "imgURL=ghcr.io%2Fsavannah%2Forders%40sha256%3A1f"
    assert hooks.asked == [f"/web?key=s3cret&{image}", f"/worker?key=s3cret&{image}"]


@needs_curl
def test_a_hook_that_refuses_fails_the_deployment_and_no_output_has_the_hook(hooks):
    hooks.refuses = "worker"
    done = hooks.deploy("ghcr.io/savannah/orders:stable")
    assert done.returncode != 0
    assert "401" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
