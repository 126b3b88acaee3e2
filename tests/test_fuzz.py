"""Requests that schemathesis makes from the OpenAPI document; `make fuzz` makes thousands of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, Api, Service

# The generator's favourite text is "0": so orders find their customer.
CUSTOMER = {"code": "0", "name": "Zero", "phone_number": "+254712345678"}


@pytest.mark.long
def test_every_answer_is_as_the_openapi_document_says_and_none_is_a_5xx(service: Service, tmp_path: Path):
    token = service.manage("token", "--scope", "customers:read customers:write orders:read orders:write")
    with Api(service.url, token) as api:
        api.post("/api/customers/", json=CUSTOMER)
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={ROOT / 'tests' / 'schemathesis.toml'}",
            "run",
            f"{service.url}/api/schema/?format=json",
            f"--header=Authorization: Bearer {token}",
            "--checks=all",
            "--seed=254",
            "--no-color",
            *how_much(),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    print(re.search(r"Test cases:\n(.*)\n", done.stdout)[1].strip())


def how_much() -> list[str]:
    """Return schemathesis' options for the number that FUZZ_EXAMPLES asks for, or for a few seconds."""
    examples = os.environ.get("FUZZ_EXAMPLES")
    return [f"--max-examples={examples}"] if examples else ["--phases=fuzzing", "--max-examples=15", "--no-shrink"]
