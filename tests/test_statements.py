"""What holds for the statements of every app."""

import re

import pytest

from customers import views as customers
from orders import placing as orders

WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM) (customers|orders)\b")
STATEMENTS = {**customers.QUERIES.statements, **orders.QUERIES.statements}


@pytest.mark.parametrize("name", [name for name, text in STATEMENTS.items() if WRITES.search(text)])
def test_a_statement_that_changes_a_row_says_who_acts(name):
    assert "acting(%(actor)s)" in STATEMENTS[name]
