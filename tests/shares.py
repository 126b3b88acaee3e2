"""How `pytest -n` shares the tests out: what uses one running service, or the fixtures of one file, stays together."""

import pytest
from xdist.scheduler import LoadScopeScheduling

# Each share has a service of its own: to start one takes seconds, and all of it would be too much for one worker.
SERVICE = {
    "tests/browser/": "browsers",
    "tests/clients/": "browsers",
    "accounts/tests/": "accounts",
    "tests/test_api_document.py": "service",
    "tests/test_backup.py": "service",
    "tests/test_contract.py": "service",
    "tests/test_deploy.py": "service",
    "tests/test_docs.py": "service",
    "tests/test_documents.py": "service",
    "tests/test_express.py": "service",
    "tests/test_fuzz.py": "service",
    "tests/test_hostile.py": "service",
    "tests/test_idempotency.py": "service",
    "tests/test_readme.py": "service",
    "tests/test_run.py": "service",
    "tests/test_upload.py": "service",
    "tests/test_watch.py": "service",
}
# Begun first, so that no worker is still at them when the others have nothing left.
LONGEST = (
    "service",
    "browsers",
    "accounts",
    "tests/test_rehearsals.py",
    "sms/tests/test_worker.py",
    "tests/test_migrate.py",
    "tests/test_quick_start.py",
    "tests/test_proxy.py",
)


def share(nodeid: str) -> str:
    """Return the name of the share that a test belongs to: its file, where nothing else is said."""
    file = nodeid.partition("::")[0]
    return next((name for start, name in SERVICE.items() if file.startswith(start)), file)


def begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which they are given out."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(share(item.nodeid), len(places)))


class InShares(LoadScopeScheduling):
    """Gives the next share to the worker that has nothing left."""

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)
