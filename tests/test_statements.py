"""What holds for the statements of every app."""

import re

import pytest

from conftest import ROOT
from savannah.sql import load_queries

WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM) (customers|orders)\b")
STATEMENTS = {
    f"{path.parent.name}.{name}": text
    for path in ROOT.glob("*/queries.sql")
    for name, text in load_queries(str(path)).statements.items()
}


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/queries.sql")), ids=lambda path: path.parent.name)
def test_each_statement_has_a_line_on_what_it_does(path):
    assert not re.findall(r"^-- name: (\w+)\n(?!-- )", path.read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", [name for name, text in STATEMENTS.items() if WRITES.search(text)])
def test_a_statement_that_changes_a_row_says_who_acts(name):
    assert "acting(%(actor)s)" in STATEMENTS[name]
