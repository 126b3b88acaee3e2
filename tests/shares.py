"""How `pytest -n` distributes the tests: those that use the same running service, or are in one file, stay together."""

import pytest
from xdist.scheduler import LoadScopeScheduling

# Each share starts a service of its own, which takes seconds; but a single share would be too much for one worker.
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
# Started first, so that no worker is still busy with them when the others have nothing left.
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
    """Return the name of the share that a test belongs to: by default its file."""
    file = nodeid.partition("::")[0]
    return next((name for start, name in SERVICE.items() if file.startswith(start)), file)


def begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Sort the tests in the order in which they are distributed."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(share(item.nodeid), len(places)))


class InShares(LoadScopeScheduling):
    """Gives the next share to an idle worker."""

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)
