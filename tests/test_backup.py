"""`manage.py backup` and `restore`, of the service while orders come in."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conftest import ROOT, Api, eventually
from savannah import backups
from savannah.programs import administer

CUSTOMER = {"code": "BACKUP", "name": "Njeri", "phone_number": "+254712345111"}
ORDER = {"customer_code": "BACKUP", "item": "Lamp “warm”", "amount": 5}


@pytest.fixture(scope="module")
def api(service):
    with Api(service.url, service.manage("token")) as session:
        yield session


@pytest.mark.long
def test_a_backup_under_load_is_proven_and_brings_back_what_was_lost(service, api, tmp_path):
    customer = api.post("/api/customers/", json=CUSTOMER).json()
    first = api.post("/api/orders/", json=ORDER).json()
    file = tmp_path / "savannah.dump"
    with _orders_coming_in(service, api) as placed:
        said = _pasted(service, "backup", file)
    assert len(placed) > 1
    assert "orders: " in said
    assert said.endswith("rows, proven.")
    assert file.stat().st_mode & 0o077 == 0

    assert api.delete(f"/api/customers/{customer['id']}/").status_code == 204
    assert api.get(f"/api/orders/{first['id']}/").status_code == 404
    with _many_reading(api), _always_a_database(service):
        assert "now the database customer_order_db_before_" in _pasted(service, "restore", file)
    assert eventually(lambda: api.get(f"/api/orders/{first['id']}/").ok)
    assert eventually(lambda: api.post("/api/orders/", json=ORDER).json().get("sms_sent"))


def _pasted(service, command: str, file) -> str:
    """Run the line of the operations guide, for another file."""
    guide = (ROOT / "docs" / "operations.md").read_text()
    line = f".venv/bin/python manage.py {command} savannah.dump"
    assert f"\n{line}\n" in guide
    pasted = line.replace(".venv/bin/python", sys.executable).replace("savannah.dump", str(file))
    done = subprocess.run(
        ["bash", "-c", pasted], cwd=ROOT, env=service.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def _many_reading(api) -> Iterator[None]:
    """As many clients as the pool has connections, all of which the restore cuts."""
    over = threading.Event()

    def read() -> None:
        with Api(api.url, None) as reader:
            while not over.is_set():
                reader.get("/api/customers/?limit=1", headers={"Authorization": api.headers["Authorization"]})

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def _always_a_database(service) -> Iterator[None]:
    """Whoever looks, as a process that starts does, finds a database of our name: or it would create an empty one."""
    over = threading.Event()
    missed: list[bool] = []
    pid_file = Path(service.environment["SAVANNAH_DATA_DIR"], "postgres", "postmaster.pid")
    socket_dir = pid_file.read_text().split("\n")[4]

    def look() -> None:
        with psycopg.connect(host=socket_dir, user="postgres", dbname="postgres", autocommit=True) as database:
            while not over.is_set():
                found = database.execute("SELECT FROM pg_database WHERE datname = 'customer_order_db'")
                missed.extend([True] * (found.rowcount == 0))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not missed


class _orders_coming_in:  # noqa: N801 - used as a function
    def __init__(self, service, api) -> None:
        self.placed: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._place, args=[service.url, api.headers["Authorization"]])

    def _place(self, url, authorization) -> None:
        with Api(url, None) as api:
            while not self._over.is_set():
                answer = api.post("/api/orders/", json=ORDER, headers={"Authorization": authorization})
                self.placed.append(answer.json()["id"])

    def __enter__(self) -> list[str]:
        self._thread.start()
        return self.placed

    def __exit__(self, *error) -> None:
        self._over.set()
        self._thread.join()


def test_a_restore_that_cannot_take_the_database_s_place_leaves_it_as_it_is(transactional_db, tmp_path, monkeypatch):
    file = tmp_path / "savannah.dump"
    call_command("backup", str(file))
    now = datetime.now(UTC)
    monkeypatch.setattr(backups, "datetime", SimpleNamespace(now=lambda zone: now))
    taken = f"{connection.settings_dict['NAME']}_before_{now:%Y%m%d_%H%M%S}"
    administer("CREATE DATABASE {} TEMPLATE template0", taken)
    try:
        with pytest.raises(CommandError, match=r"already exists.*The database is as it was"):
            call_command("restore", str(file))
    finally:
        administer("DROP DATABASE {}", taken)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customers")
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE '%%_restored_%%'")
        assert cursor.fetchall() == []


def test_a_file_that_is_no_backup_leaves_the_database_as_it_is(transactional_db, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("Dear diary")
    with pytest.raises(CommandError, match=r"pg_restore: .*The database is as it was"):
        call_command("restore", str(file))
    with pytest.raises(CommandError, match="does not exist"):
        call_command("restore", str(tmp_path / "nothing.dump"))
    with pytest.raises(CommandError, match="A backup replaces nothing"):
        call_command("backup", str(file))
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("backup", str(tmp_path / "no folder" / "x.dump"))
