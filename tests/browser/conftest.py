"""One chromium for all browser tests, and the people who use it."""

from collections.abc import Iterator
from functools import partial

import pytest
import requests
from playwright.sync_api import Browser

from conftest import Service
from tests.browser.pages import MAKE_PEOPLE, Desk, chromium, chromium_path


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        pytest.skip("chromium is not installed")
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def staffed(service: Service) -> Service:
    """The running service, with people who may use the desk."""
    service.manage("shell", "-c", MAKE_PEOPLE)
    return service


@pytest.fixture
def desk(browser: Browser, staffed: Service):
    """Open a window: `desk(viewport=PHONE)`. At the end nothing was asked of other hosts and no script failed."""
    windows: list[Desk] = []

    def open_window(**options) -> Desk:
        windows.append(Desk(browser, staffed, **options))
        return windows[-1]

    yield open_window
    for window in windows:
        window.context.close()
    assert [window.foreign for window in windows] == [[]] * len(windows)


@pytest.fixture
def gateway(staffed: Service):
    """Break the stand-in gateway: `gateway(down=True)`. It is mended in the end."""
    control = f"http://127.0.0.1:{staffed.sandbox_port}/control/faults"
    change = partial(requests.put, control, timeout=60)

    def break_with(**faults) -> None:
        change(json=faults).raise_for_status()

    yield break_with
    requests.delete(control, timeout=60)
