"""`make run` as a person meets it: a process tree of its own, on its own ports, with its own data folder."""

import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import requests

from conftest import ROOT, Api, Service, eventually
from savannah.embedded.server import stop_server
from savannah.tree import Program, child_of

CUSTOMER = {"code": "CUST001", "name": "John Doe", "phone_number": "+254712345678"}
ORDER = {"customer_code": "CUST001", "item": "Laptop Computer", "amount": 1299.99}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("service")


@pytest.fixture
def services():
    """Start services by calling it; what a failed test leaves running is ended."""
    started: list[Service] = []

    def start(data_dir: Path, *command: str, **options) -> Service:
        started.append(Service(data_dir, *command, **options).start())
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.end()


def test_it_runs_whole_ends_whole_and_finds_its_data_again(data_dir, services):
    service = services(data_dir).until_ready()
    password = re.search(r"password (\S+) \(shown this once\)", service.printed)
    assert password
    for place in (f"localhost:{service.port}/api/", "/api/docs/", f"127.0.0.1:{service.sandbox_port}/"):
        assert place in service.printed
    with Api(service.url, service.manage("token")) as api:
        assert api.post("/api/customers/", json=CUSTOMER).status_code == 201
        order = api.post("/api/orders/", json=ORDER).json()
        assert order["sms_sent"] is True
        again = services(data_dir)
        assert again.until_ended() == 1
        assert "already runs with the data in" in again.printed
        busy = services(data_dir.parent / "busy", PORT=str(service.port))
        assert busy.until_ended() == 1
        assert f"Port {service.port} is in use" in busy.printed
    tree = service.tree()
    assert len(tree) >= 4
    assert service.end(signal.SIGINT) == 0
    _, alive = psutil.wait_procs(tree, 60)
    assert alive == []
    # PostgreSQL may take longer to write what it has than the tree waits for it.
    eventually(lambda: not (data_dir / "postgres" / "postmaster.pid").exists())

    service = services(data_dir).until_ready()
    assert "password" not in service.printed
    with Api(service.url, service.manage("token")) as api:
        assert [found["id"] for found in api.get("/api/orders/").json()] == [order["id"]]
        worker_of(service).kill()
        eventually(lambda: "starting it again" in service.printed)
        assert eventually(lambda: api.post("/api/orders/", json=ORDER).json()["sms_sent"])
    assert service.end() == 0


def worker_of(service: Service) -> psutil.Process:
    for child in service.tree():
        # What does one thing may have done it by now.
        with suppress(psutil.NoSuchProcess):
            if "sms" in child.cmdline():
                return child
    raise AssertionError("no worker")


def test_it_serves_by_runserver_with_the_worker_and_the_stand_in(data_dir, services):
    service = services(data_dir, "runserver", "--noreload", folder=ROOT / "savannah_test")
    ready = eventually(lambda: _answer(f"{service.url}/readyz"))
    assert ready.json()["status"] == "ready"
    assert _answer(f"{service.url}/healthz").json() == {"status": "alive"}
    with Api(service.url, service.manage("token")) as api:
        api.post("/api/customers/", json=CUSTOMER)
        assert eventually(lambda: api.post("/api/orders/", json=ORDER).json()["sms_sent"])
    service.end(signal.SIGINT)
    eventually(lambda: not _answer(f"http://127.0.0.1:{service.sandbox_port}/control/"))
    eventually(lambda: not (data_dir / "postgres" / "postmaster.pid").exists())


def test_it_refuses_to_start_with_a_database_of_ones_own_and_no_secret_key(data_dir, services):
    service = services(data_dir, POSTGRES_HOST="db.example")
    assert service.until_ended() == 1
    assert service.printed.startswith("SECRET_KEY is not set.")


def test_with_a_database_of_ones_own_nothing_embedded_starts_and_two_services_run_side_by_side(
    service, services, tmp_path
):
    socket_dir = str(Path(service.environment["SAVANNAH_DATA_DIR"], "postgres"))
    with psycopg.connect(host=socket_dir, user="postgres", dbname="postgres", autocommit=True) as server:
        server.execute("CREATE DATABASE beside")
    beside = services(tmp_path, POSTGRES_HOST=socket_dir, POSTGRES_DB="beside", SECRET_KEY="x" * 50).until_ready()
    assert not (tmp_path / "postgres").exists()
    assert "password" not in beside.printed
    for one in (service, beside):
        assert _answer(f"{one.url}/readyz").json()["status"] == "ready"
    assert beside.end() == 0
    assert _answer(f"{service.url}/readyz").json()["status"] == "ready"


def _answer(url: str) -> requests.Response | None:
    try:
        return requests.get(url, timeout=60)
    except requests.RequestException:
        return None


def test_what_a_dead_program_has_left_running_ends_with_it(tmp_path):
    left = tmp_path / "left"
    child = child_of(Program("parent", ["sh", "-c", f"sleep 600 & echo $! > {left}; wait"], 1))
    child.start()
    orphan = psutil.Process(int(eventually(lambda: left.exists() and left.read_text())))
    child.process.kill()
    eventually(lambda: child.keep_alive() or not is_running(orphan))
    child.end()


def is_running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_number_of_a_server_that_is_long_gone_is_nobodys_to_stop(tmp_path):
    (tmp_path / "postgres").mkdir()
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    somebody = subprocess.Popen(["sleep", "60"])
    try:
        for text in (f"{somebody.pid}\n", ""):
            pid_file.write_text(text)
            stop_server(tmp_path)
        assert somebody.poll() is None
    finally:
        somebody.kill()
        somebody.wait()
