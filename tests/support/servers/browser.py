"""Debian's Chromium without a screen, as a reader of pages."""

from __future__ import annotations

import base64
import shutil
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from support.servers.debian_packages import ensure_installed
from support.servers.debian_packages import NotInstalled
from support.servers.processes import wait_until

CHROMIUM: t.Final = {"chromium": "chromium", "chromium-driver": "chromedriver"}
"""Debian's packages and their programs."""


class Browser:
    """A window of Chromium that reports what a test asks about."""

    def __init__(self, driver: webdriver.Chrome, pictures: Path) -> None:
        self.driver = driver
        self._pictures = pictures

    def renew(self) -> None:
        """Show an empty window, without anything that was set, stored or opened before."""
        old = self.driver.window_handles
        self.driver.switch_to.new_window("tab")
        new = self.driver.current_window_handle
        for window in old:
            self.driver.switch_to.window(window)
            self.driver.close()
        self.driver.switch_to.window(new)
        everything = {"origin": "*", "storageTypes": "all"}
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", everything)
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd("Browser.resetPermissions", {})
        self.errors()

    def open(self, url: str) -> None:
        self.driver.get(url)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """The text of an element as it is now; asked in one go, since pages change meanwhile."""
        script = "const e = document.querySelector(arguments[0]); return e ? e.textContent : ''"
        return t.cast(str, self.driver.execute_script(script, selector))

    def wait_for(self, selector: str, text: str = "", seconds: float = 90) -> None:
        """Wait until an element is there and contains a text."""
        script = (
            "const e = document.querySelector(arguments[0]);"
            " return Boolean(e && e.textContent.includes(arguments[1]))"
        )
        wait_until(
            lambda: self.driver.execute_script(script, selector, text),
            seconds=seconds,
            what=f"'{text}' in {selector}",
        )

    def run(self, script: str, *arguments: object) -> t.Any:
        return self.driver.execute_script(script, *arguments)

    def errors(self) -> list[str]:
        """What the console has complained about since the last call."""
        return [line["message"] for line in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def block(self, *patterns: str) -> None:
        """Let only requests to addresses of these patterns fail."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": [*patterns]})

    def send_headers(self, headers: dict[str, str]) -> None:
        """Send these headers with every request, as a browser sends the cookie of a session."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})

    def allow_clipboard(self) -> None:
        """Let pages copy and paste without asking."""
        allowed = {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        self.driver.execute_cdp_cmd("Browser.grantPermissions", allowed)

    def clipboard(self) -> str:
        """What was copied last."""
        script = "navigator.clipboard.readText().then(arguments[0])"
        return t.cast(str, self.driver.execute_async_script(script))

    def focused(self) -> str:
        """The id of the element that has the focus; of a summary, that of what it opens."""
        script = "const e = document.activeElement; return e.id || e.parentElement.id"
        return t.cast(str, self.driver.execute_script(script))

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def screenshot(self, *, width: int, height: int) -> bytes:
        """Return the upper left part of the page as PNG."""
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        options = {"clip": clip, "captureBeyondViewport": True}
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        return base64.b64decode(picture["data"])

    def look(self, *, width: int = 1280, dark: bool = False) -> None:
        """Show pages as wide as a desktop or a phone, light or dark."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def take_picture(self, name: str) -> Path:
        """Store the whole page as an image."""
        options = {"captureBeyondViewport": True}
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", options)
        path = self._pictures / f"{name}.png"
        path.write_bytes(base64.b64decode(picture["data"]))
        return path

    def take_pictures(self, name: str) -> None:
        """Store the page as it looks on a desktop and a phone, light and dark."""
        for width, place in ((1280, "desktop"), (390, "phone")):
            for dark in (False, True):
                self.look(width=width, dark=dark)
                self.take_picture(f"{name}-{place}-{'dark' if dark else 'light'}")
        self.look()


def require_chromium() -> None:
    """Install Chromium if it is not there; skip the test, and say why, if that is not possible."""
    try:
        ensure_installed(CHROMIUM)
    except NotInstalled as reason:
        pytest.skip(f"no browser: {reason}")


@contextmanager
def chromium(pictures: Path, profile: Path) -> Iterator[Browser]:
    """A browser that keeps nothing and puts its pictures into a folder."""
    options = Options()
    options.binary_location = t.cast(str, shutil.which("chromium"))
    for argument in (
        "--headless=new",
        "--no-sandbox",  # it cannot be used by root
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--force-prefers-reduced-motion",  # an animation would be drawn all the time
        "--no-proxy-server",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(60)
        driver.set_script_timeout(30)
        yield Browser(driver, pictures)
    finally:
        driver.quit()
