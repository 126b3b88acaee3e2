"""What deploy/ asks of /metrics is there; what smoke.sh says is true."""

import json
import re
import subprocess

import requests

from conftest import ROOT

NAMES = re.compile(r"\bsavannah_[a-z0-9_]+")
DEPLOY = ROOT / "deploy"


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(service):
    served = set(NAMES.findall(requests.get(f"{service.url}/metrics", timeout=10).text))
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


def test_panels_of_the_dashboard_do_not_overlap():
    places = [panel["gridPos"] for panel in json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]]
    cells = [(place["x"] + x, place["y"]) for place in places for x in range(place["w"])]
    assert len(cells) == len(set(cells))


def test_the_smoke_test_passes_here_and_fails_for_another_version(service):
    def smoke(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(DEPLOY / "smoke.sh"), service.url, *arguments]
        environment = {"PATH": "/usr/bin:/bin", "SMOKE_SECONDS": "0"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    passed, other = smoke("unreleased"), smoke("v9.9.9")
    assert (passed.returncode, passed.stderr) == (0, "")
    assert passed.stdout.startswith(f"{service.url} works")
    assert other.returncode == 1
    assert "Not ready" in other.stderr
