"""The page in a real browser."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.web.conftest import Site, look
from tests.web.folder import TOKEN, paused_by, requeued

PAGES = ("", "?span=month", "parked/home", "mappings/home", "gaps", "certificate", "login")
_DRAWN = """
return [...document.querySelectorAll(".plot canvas")].map((canvas) =>
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
    .filter((value, i) => i % 4 === 3 && value > 0).length)
"""
_WIDER = """
const wide = document.documentElement.scrollWidth - window.innerWidth;
return wide > 0 ? [...document.querySelectorAll("body *")]
  .filter((element) => element.getBoundingClientRect().right > window.innerWidth)
  .map((element) => element.outerHTML.slice(0, 90)) : []
"""


def drawn(browser: Chrome) -> list[int]:
    """Opaque pixels of each plot, once both are there."""

    def both(_: Chrome) -> list[int] | Literal[False]:
        found: list[int] = browser.execute_script(_DRAWN)
        return found if len(found) == 2 and all(found) else False

    return WebDriverWait(browser, 30).until(both)


def complaints(browser: Chrome) -> list[Any]:
    """What the console says."""
    found: list[Any] = browser.get_log("browser")  # type: ignore[no-untyped-call]  # selenium's
    return found


def click(browser: Chrome, selector: str) -> None:
    """Click, and wait for the next page."""
    browser.execute_script("document.before = true")
    browser.find_element(By.CSS_SELECTOR, selector).click()
    arrived = "return !document.before && document.readyState === 'complete'"
    WebDriverWait(browser, 30).until(lambda _: browser.execute_script(arrived))


def log_in(browser: Chrome, site: Site, token: str = TOKEN) -> None:
    browser.get(f"{site.url}login")
    browser.find_element(By.NAME, "token").send_keys(token)
    click(browser, "main button")


@pytest.mark.parametrize("width", [1200, 360])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_loads_without_complaint_and_fits(
    browser: Chrome, site: Site, width: int, dark: bool
) -> None:
    look(browser, width, dark=dark)
    log_in(browser, site)
    for page in PAGES:
        browser.get(site.url + page)
        if page in ("", "?span=month"):
            assert min(drawn(browser)) > 500, page
        assert browser.execute_script(_WIDER) == [], page
        ground = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
        assert (ground == "rgba(20, 24, 27, 1)") is dark
        assert complaints(browser) == [], page


def test_a_click_sends_a_row_again(browser: Chrome, site: Site) -> None:
    browser.get(f"{site.url}parked/home")
    assert browser.find_elements(By.CSS_SELECTOR, "main form") == []
    log_in(browser, site, "not the token at all")
    assert "That is not the token" in browser.find_element(By.CLASS_NAME, "wrong").text
    log_in(browser, site)
    browser.get(f"{site.url}parked/home")
    assert "<script>alert(1)</script>" in browser.find_element(By.TAG_NAME, "main").text
    click(browser, "input[value='42/0'] + button")
    assert "Sent again: 1" in browser.find_element(By.CLASS_NAME, "done").text
    assert requeued(site.folder) == {(42, 0)}


def test_a_click_pauses_and_resumes(browser: Chrome, site: Site) -> None:
    log_in(browser, site)
    assert paused_by(site.folder) is None
    browser.find_element(By.NAME, "why").send_keys("the centre moves")
    click(browser, ".act button")
    assert "the centre moves" in browser.find_element(By.ID, "home").text
    assert paused_by(site.folder) == "the page, from 127.0.0.1"
    click(browser, ".act button")
    assert paused_by(site.folder) is None


def test_another_sites_form_does_nothing(browser: Chrome, site: Site) -> None:
    """Not even from a browser that is logged in: cookie and proof do not come along."""
    log_in(browser, site)
    browser.get("about:blank")
    form = f"<form method=post action='{site.url}pause/home'><button>x</button></form>"
    browser.execute_script("document.body.innerHTML = arguments[0]", form)
    click(browser, "button")
    assert "comes from elsewhere" in browser.find_element(By.TAG_NAME, "body").text
    assert paused_by(site.folder) is None


def test_nothing_comes_from_elsewhere(browser: Chrome, site: Site) -> None:
    browser.get(site.url)
    drawn(browser)
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert {name.rpartition("/")[2] for name in loaded} >= {"uplot.js", "page.js", "page.css"}
    assert [name for name in loaded if not name.startswith(site.url)] == []
