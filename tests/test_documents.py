"""The documents are true where a program can tell: links lead somewhere, settings are all there, commands run."""

import re
import subprocess
import sys

import pytest

from conftest import ROOT, Service, needs_curl

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_setting_is_documented_and_nothing_else():
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', (ROOT / "savannah" / "settings.py").read_text()))
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert told == read


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document):
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_heading_finds_it(document):
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", document.read_text())
    missing = [link for link in links if link[1] not in _headings(document.parent / (link[0] or document.name))]
    assert missing == []


def _headings(document):
    """The names that GitHub gives to a document's headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.long
@needs_curl
@pytest.mark.parametrize("guide", ["identity", "provider", "reliability"])
def test_the_commands_of_a_guide_run_as_pasted(service: Service, guide):
    if guide == "identity":
        service.environment["DJANGO_SUPERUSER_PASSWORD"] = "correct horse battery staple"
        service.manage("createsuperuser", "--noinput", "--username=guided", "--email=guided@example.com")
    lines = "".join(re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / f"{guide}.md").read_text(), re.DOTALL))
    lines = lines.replace(".venv/bin/python", sys.executable)
    lines = lines.replace("localhost:8000", f"localhost:{service.port}")
    lines = lines.replace("localhost:8001", f"localhost:{service.sandbox_port}")
    # No other test's phone stops its SMS, and none has another Amina.
    lines = lines.replace("+254712345678", "+254799000001").replace("amina", "guided")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines.replace("curl ", "curl --fail-with-body -sS ")],
        cwd=ROOT,
        env={**service.environment, "TOKEN": service.manage("token")},
        input="yes\n",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
