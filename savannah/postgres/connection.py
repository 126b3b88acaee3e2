"""psycopg's connection, with a short way for the statements that every request runs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import count
from typing import Any

import psycopg
import psycopg.abc
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result

# As psycopg's own cursors keep, on each connection.
MOST_PREPARED = 100

# psycopg says DEALLOCATE ALL after a ROLLBACK (psycopg/_preparing.py), which takes ours along; and after a migration a
# statement may give columns of another type ("cached plan must not change result type").
_STALE = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.FeatureNotSupported)
# Foreign keys, and statements of many rows, take locks in no order that all could keep to. What PostgreSQL ends for
# that is undone: run again, it waits for the other one to finish.
_UNDONE = (*_STALE, psycopg.errors.DeadlockDetected)

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection with `fetch_row`: one call of libpq sends a prepared statement, waits, and reads what comes.

    A cursor of psycopg waits in Python, and lets go of the interpreter's lock three times on the way: a small statement
    takes 30 us of the processor there and 8 us here (docs/performance.md).
    """

    def fetch_row(self, statement: str, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Run a statement with `%(name)s` parameters, outside of any transaction, and return its first row, or None.

        PostgreSQL infers the parameters' types from where they stand. Raises psycopg.Error as a cursor does.
        """
        result = self._execute(statement, values)
        if not result.ntuples:
            return None
        self._transformer.set_pgresult(result)
        return self._transformer.load_row(0, tuple)

    def fetch_text(
        self, statement: str, values: Mapping[str, Any], *, for_values: bool = False
    ) -> tuple[bytes | None, ...] | None:
        """As `fetch_row`, with each column as the text that PostgreSQL wrote, in UTF-8.

        `for_values`: have PostgreSQL plan for these values, and keep no plan that has to do for others.
        """
        result = self._execute_once(statement, values) if for_values else self._execute(statement, values)
        return text_of(result) if result.ntuples else None

    def _execute_once(self, statement: str, values: Mapping[str, Any]) -> pq.abc.PGresult:
        command, names = _numbered(statement)
        result = self.pgconn.exec_params(command, self._dumped(names, values))
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise self._failure(result)
        return result

    def _execute(self, statement: str, values: Mapping[str, Any], *, again: bool = False) -> pq.abc.PGresult:
        command, names = _numbered(statement)
        name = self._row_statements.get(command) or self._prepare(command)
        parameters = self._dumped(names, values)
        result = self.pgconn.exec_prepared(name, parameters)  # type: ignore[arg-type]  # psycopg forgets that None is NULL
        if result.status != pq.ExecStatus.TUPLES_OK:
            failure = self._failure(result)
            if again or not isinstance(failure, _UNDONE):
                raise failure
            if isinstance(failure, _STALE):
                # Names are never used twice, so what may be left of the old ones does no harm.
                self._row_statements.clear()
            return self._execute(statement, values, again=True)
        return result

    def _dumped(self, names: tuple[str, ...], values: Mapping[str, Any]) -> Sequence[psycopg.abc.Buffer | None]:
        return self._transformer.dump_sequence([values[key] for key in names], [PyFormat.TEXT] * len(names))

    @cached_property
    def _row_statements(self) -> dict[bytes, bytes]:
        """The names of what is prepared, oldest first."""
        return {}

    @cached_property
    def _numbers(self) -> Iterator[int]:
        return count(1)

    @cached_property
    def _transformer(self) -> psycopg.abc.Transformer:
        return Transformer(self)

    def _prepare(self, command: bytes) -> bytes:
        if len(self._row_statements) >= MOST_PREPARED:
            oldest = next(iter(self._row_statements))
            self.pgconn.exec_(b"DEALLOCATE " + self._row_statements.pop(oldest))
        name = b"row_%d" % next(self._numbers)
        result = self.pgconn.prepare(name, command)
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise self._failure(result)
        self._row_statements[command] = name
        return name

    def _failure(self, result: pq.abc.PGresult) -> psycopg.Error:
        if self.pgconn.status != pq.ConnStatus.OK:
            return psycopg.OperationalError("the server has closed the connection")
        return error_from_result(result, self.info.encoding)


def text_of(result: pq.abc.PGresult) -> tuple[bytes | None, ...]:
    """Return the first row of a result that came as text."""
    return tuple(result.get_value(0, column) for column in range(result.nfields))


@lru_cache(maxsize=1000)
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the statement as libpq takes it, with $1 for the first name, and the names in that order."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${names.setdefault(found[1], len(names) + 1)}" if found[1] else "%"

    return _PLACEHOLDER.sub(number, statement).encode(), tuple(names)
