"""The live page in headless Chromium, wide and narrow: it fills, its buttons do what they say. Skipped without it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from watched import make_watched, watching

from autogit import Lab

webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
pytestmark = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="no Chromium with its driver on this machine")


@pytest.fixture(params=[(1200, 1000), (390, 844)], ids=["desktop", "phone"])
def browser(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    width, height = request.param
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    yield driver
    driver.quit()


def test_a_person_sees_the_lab_and_steers_it(browser: Any, tmp_path: Path) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    def until(true: str) -> Any:
        return WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(f"return {true}"))

    lab = make_watched(tmp_path / "lab")
    with watching(lab) as page:
        browser.get(page.address)
        until("document.body.dataset.live === 'yes'")
        marks = browser.execute_script("return document.querySelectorAll('#progress use[data-trial]').length")
        assert marks == len(Lab.open(lab).trials())
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), "no sideways scroll"
        assert not browser.find_element("id", "stop").is_enabled(), "there is no loop to stop"

        idea = f"from the browser <b>{browser.session_id}</b>"
        browser.find_element("id", "idea-text").send_keys(idea)
        browser.find_element("css selector", "#idea button").click()
        until("document.getElementById('said').textContent.includes('queued')")
        until(f"document.getElementById('queue').textContent.includes({json.dumps(idea)})")
        assert idea in [each.text for each in Lab.open(lab).ideas()]

        browser.find_element("css selector", "#guide summary").click()
        until("!document.getElementById('guide-save').disabled")
        text = browser.find_element("id", "guide-text")
        text.clear()
        text.send_keys(f"# Wanted\n{browser.session_id}\n")
        browser.find_element("id", "guide-save").click()
        until("document.getElementById('said').textContent.includes('program.md is written')")
        assert (lab / "program.md").read_text() == f"# Wanted\n{browser.session_id}\n"
        wrong = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert wrong == []
