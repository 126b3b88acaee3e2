"""The specification's quick start: Docker/.env.example, and the service in parts as Docker/compose.yaml runs it."""

import json
import subprocess
import sys

import pytest
import yaml
from django.conf import settings

from conftest import ROOT, Api, Service, eventually
from savannah.embedded.server import stop_server
from savannah.processes import companions, upkeep

EXAMPLE = ROOT / "Docker" / ".env.example"
ASK = """
import json
from django.conf import settings
print(json.dumps([settings.SECRET_KEY, settings.SMS_STAND_IN, settings.DATABASES["default"]["HOST"], settings.DEBUG]))
"""


@pytest.fixture
def example():
    """What `cp Docker/.env.example Docker/.env` gives to every container."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_example_names_what_the_specification_names(example):
    assert list(example) == [
        "POSTGRES_DB",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
        "POSTGRES_HOST",
        "POSTGRES_PORT",
        "DEBUG",
        "SECRET_KEY",
        "AFRICAS_TALKING_API_KEY",
        "AFRICAS_TALKING_USERNAME",
        "AFRICAS_TALKING_SANDBOX",
    ]


@pytest.mark.long
def test_an_unedited_example_gives_a_secret_key_of_ones_own_and_the_stand_in_gateway(example, tmp_path):
    first, again, other = (_settings(example, tmp_path / name) for name in ("data", "data", "other"))
    secret_key, stand_in, host, debug = first
    assert secret_key not in {example["SECRET_KEY"], ""}
    assert len(secret_key) >= 50
    assert (stand_in, host, debug) == (True, "db", False)
    assert again == first
    assert other[0] != secret_key


def _settings(environment, data_dir) -> list:
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", ASK],
        cwd=ROOT,
        env={**environment, "SAVANNAH_DATA_DIR": str(data_dir), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture
def services():
    """The services of Docker/compose.yaml."""
    return yaml.safe_load((ROOT / "Docker" / "compose.yaml").read_text())["services"]


def test_compose_builds_the_image_once_and_migrates_before_web_and_worker_start(services):
    assert [name for name, service in services.items() if "build" in service] == ["migrate"]
    migrated = {"migrate": {"condition": "service_completed_successfully"}}
    assert [services[name]["depends_on"] for name in ("web", "worker")] == [migrated, migrated]


def test_docker_compose_1_knows_every_word_at_the_top_of_the_compose_file():
    top = yaml.safe_load((ROOT / "Docker" / "compose.yaml").read_text())
    assert {word for word in top if not word.startswith("x-")} == {"services", "volumes"}


def test_compose_kills_a_worker_only_after_its_sends_have_had_their_time(services, monkeypatch):
    worker = services["worker"]
    monkeypatch.setattr(settings, "SMS_STOP_SECONDS", worker["environment"]["SMS_STOP_SECONDS"])
    monkeypatch.setattr(settings, "SMS_STAND_IN", True)
    parts = [*companions(), *upkeep()]
    assert sum(part.grace_seconds for part in parts) < int(worker["stop_grace_period"].removesuffix("s"))


@pytest.mark.long
def test_web_and_worker_run_apart(tmp_path):
    web = Service(tmp_path, "run", "web")
    web.manage("migrate", "--verbosity", "0")
    assert _probe(web) != 0
    calls = {"SMS_SANDBOX_PORT": str(web.sandbox_port), "SMS_SANDBOX_CALLBACK_URL": web.url}
    worker = Service(tmp_path, "run", "worker", **calls)
    web.start()
    worker.start()
    try:
        web.until_ready()
        assert _probe(web) == 0
        eventually(lambda: "SMS go to the stand-in's phones" in worker.printed)
        customer = {"code": "CUST001", "name": "John Doe", "phone_number": "+254712345678"}
        order = {"customer_code": "CUST001", "item": "Laptop Computer", "amount": 1299.99}
        web.manage("createsuperuser", "--noinput", "--username", "boss", "--email", "boss@example.com")
        with Api(web.url, web.manage("token")) as api:
            assert api.post("/api/customers/", json=customer).status_code == 201
            placed = eventually(lambda: (made := api.post("/api/orders/", json=order).json())["sms_sent"] and made)
            path = f"/api/orders/{placed['id']}/"
            assert eventually(lambda: api.get(path).json()["sms_status"] == "delivered")
    finally:
        ended = [worker.end(), web.end()]
        # The parts leave the database to whoever runs it.
        stop_server(tmp_path)
    assert ended == [0, 0]


def _probe(web: Service) -> int:
    return subprocess.call([sys.executable, "-m", "savannah.probe"], cwd=ROOT, env=web.environment)
