"""A filled outbox, its page on a real server, and a real Chromium without a window."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from waitress import wasyncore

from replicator.serving import server_url
from replicator.web.app import create_app
from replicator.web.serve import build_server
from replicator.web.settings import WebSettings
from tests.web.folder import fill, settings_of


@dataclass
class Site:
    """``url`` ends with a slash."""

    folder: Path
    url: str
    settings: WebSettings


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder)
    return folder


@pytest.fixture
def outbox(_filled: Path, tmp_path: Path) -> Path:
    """An outbox of this test alone, as fresh as can be."""
    folder = tmp_path / "outbox"
    shutil.copytree(_filled, folder)
    return folder


@pytest.fixture
def site(outbox: Path) -> Iterator[Site]:
    """Its page, listening."""
    settings = settings_of(outbox)
    server = build_server(create_app(settings), settings)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield Site(outbox, server_url(server), settings)
    finally:
        server.task_dispatcher.shutdown()
        sockets = dict(server._map)
        server.trigger.pull_trigger(server._map.clear)  # the loop ends when it has nothing left
        thread.join(30)
        wasyncore.close_all(sockets)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests of this process. Fails where Debian's is not installed."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program, "chromium is missing: `make setup` installs it"
    assert driver, "chromium-driver is missing: `make setup` installs it"
    home = dict.fromkeys(("HOME", "TMPDIR"), str(tmp_path_factory.mktemp("home")))
    options = webdriver.ChromeOptions()
    options.binary_location = program
    profile = tmp_path_factory.mktemp("profile")
    for switch in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
        options.add_argument(switch)
    options.add_argument(f"--user-data-dir={profile}")
    options.add_argument("--no-sandbox")  # it refuses root and containers; only our pages are shown
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, Service(driver, env={**os.environ, **home}))
    browser.set_page_load_timeout(60)
    yield browser
    browser.quit()


@pytest.fixture
def browser(chromium: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """The browser: light, wide, nobody logged in, nothing in its console."""
    look(chromium)
    chromium.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's
    yield chromium
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})


def look(
    browser: webdriver.Chrome, width: int = 1200, height: int = 1000, *, dark: bool = False
) -> None:
    """The window's size in CSS pixels, and the system's colour scheme."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
