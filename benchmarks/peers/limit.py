"""Peer (c), the limit: pgbench with the service's own statements, read from its queries.sql, and psql's COPY."""

import re
import secrets
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson
import psycopg

from benchmarks.peers.statements import statement, with_values

# The service's cursor reads the same rows in the same order.
COPY_ORDERS = """
COPY (SELECT order_document(o, c, m.state) FROM orders o JOIN customers c ON c.id = o.customer_id
      LEFT JOIN sms_messages m ON m.order_id = o.id ORDER BY o.created_at DESC, o.id DESC) TO STDOUT
"""
FIND_BEARER = statement("accounts", "find_bearer").rstrip(";")
# SQL for the values that differ between requests: pgbench cannot compute strings.
_VARYING = {
    "customer_code": "('CUST' || lpad((:number)::text, 4, '0'))",
    "sms_id": "gen_random_uuid()",
    "amount": ":number",
}


@dataclass(frozen=True)
class Limit:
    """PostgreSQL's own programs, on the service's database."""

    programs: Path
    host: str
    database: str
    token: str
    folder: Path

    def place(self, *, clients: int, seconds: float) -> float:
        """Return orders per second, by the prepared statement that checks the token and places the order."""
        bearer = f"SELECT FROM ({FIND_BEARER}) found WHERE found::text = :bearer"
        text = statement("orders", "place_order").replace("WITH ", f"WITH bearer AS ({bearer}), ", 1)
        return self._pgbench("place", with_values(text, **_VARYING), clients, seconds)

    def read(self, ids: list[str], *, clients: int, seconds: float) -> float:
        """Return reads per second, by the statement that finds the caller and the order."""
        any_of_them = "(ARRAY[{}]::uuid[])[:number]".format(",".join(f"'{id_}'" for id_ in ids[:1000]))
        order = with_values(statement("orders", "get_order"), id=any_of_them).rstrip(";")
        text = f"SELECT * FROM ({FIND_BEARER}) bearer LEFT JOIN LATERAL ({order}) asked ON true;"
        return self._pgbench("read", text, clients, seconds)

    def _pgbench(self, name: str, text: str, clients: int, seconds: float) -> float:
        script = self.folder / f"{name}.sql"
        script.write_text(f"\\set number random(1, 1000)\n{text}\n")
        values = {
            **self._bearer(),
            "actor": orjson.dumps({"id": 1, "name": "admin", "client": None}).decode(),
            "item": "Laptop Computer",
            "template": "Hello %1$s! Your order for %2$s worth %3$s %4$s has been received. Thank you!",
            "currency": "KES",
            "request_id": secrets.token_hex(16),
            "transliterate": "false",
            "awaited": "false",
        }
        command = [self.programs / "pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "2"]
        command += ["-T", str(max(1, round(seconds))), "-f", script, "-h", self.host, "-U", "postgres"]
        command += [part for key, value in values.items() for part in ("-D", f"{key}={value}")]
        done = subprocess.run([*command, self.database], capture_output=True, text=True, check=False)
        found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        if done.returncode or not found:
            raise RuntimeError(done.stderr or done.stdout)
        return float(found[1])

    def _bearer(self) -> dict[str, str]:
        """Return the parameters of the token's statement, and the row that it finds."""
        values = {"checksum": sha256(self.token.encode()).hexdigest(), "default_role": "manager"}
        find = with_values(FIND_BEARER, **{name: f"%({name})s" for name in values})
        with psycopg.connect(host=self.host, user="postgres", dbname=self.database) as database:
            (row,) = database.execute(f"SELECT found::text FROM ({find}) found", values).fetchone()
        return {**values, "bearer": row}

    def copy(self) -> list[str | Path]:
        """Return the command that writes all orders as JSON to its output."""
        return [self.programs / "psql", "-qXAt", "-h", self.host, "-U", "postgres", "-c", COPY_ORDERS, self.database]
