"""docs/api.md is true: its lines, pasted one after the other, do what it says."""

import json
import re
import subprocess

import pytest
import requests

from conftest import ROOT, Service, needs_curl

DOCUMENT = (ROOT / "docs" / "api.md").read_text()


def test_it_explains_every_error_of_the_openapi_document(service: Service):
    document = requests.get(f"{service.url}/api/schema/?format=json", timeout=60).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    known = {status for operation in operations for status in operation["responses"] if status >= "400"}
    explained = set(re.findall(r"^\| (\d{3}) \| ", DOCUMENT, re.MULTILINE))
    # The OpenAPI document describes the methods that there are, and so has no 405.
    assert explained == known | {"405"}


@pytest.mark.long
@needs_curl
def test_its_lines_do_what_it_says_when_pasted(service: Service, tmp_path):
    lines = "\n".join(re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL))
    lines = lines.replace("localhost:8000", f"localhost:{service.port}")
    lines = lines.replace("make token", f"make -s -C {ROOT} token")
    lines = lines.replace(".venv/bin/python manage.py", f"{ROOT}/.venv/bin/python {ROOT}/manage.py")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=tmp_path,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace("\r", "")
    statuses = re.findall(r"HTTP/1.1 (\d+)", said)
    assert statuses == ["200", "201", "201", "201", "200", "304", "200", "412", "400"], said
    for words in (
        "idempotency-replayed: true",
        "preference-applied: respond-async",
        '"sms_sent": false, "sms_status": "queued"',
        'rel="next"',
        '"created": 2, "updated": 0, "unchanged": 0, "refused": 0',
        '"created": 0, "updated": 0, "unchanged": 2, "refused": 0',
        '"created": 1, "updated": 0, "unchanged": 0, "refused": 1',
        '"reason": "must be a number."',
        "0 created, 0 updated, 2 unchanged, 0 refused",
        "1 created, 0 updated, 0 unchanged, 0 refused",
    ):
        assert words in said, (words, said)
    (shown,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert json.dumps(json.loads(shown)) == json.dumps(json.loads(said.rpartition("\n\n")[2].strip()))
    assert (tmp_path / "customers.csv").read_text().startswith("id,code,name,phone_number")
