"""Where a Chromium is, and what to do when there is none."""

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/snap/bin/chromium",
)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = (
    "No Chromium was found, so the browser tests cannot run. On Debian or Ubuntu: "
    "`apt-get install chromium`; on a Mac: install Chrome; elsewhere: name the program with "
    "CHROMIUM=/path/to/chromium."
)


def find_chromium() -> str:
    """Return the program's path; skips the test when there is none, or fails it with CI=true."""
    named = os.environ.get("CHROMIUM")
    if named and not os.access(named, os.X_OK):
        pytest.fail(f"CHROMIUM={named} is not a program that can be started.")
    for place in (named, *map(shutil.which, NAMES), *PLACES):
        if place and Path(place).exists():
            return place
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(MISSING)
    pytest.skip(MISSING)


def press_escape(page: Page, gone: Locator) -> None:
    """Close what hears Escape; the key goes up when it is gone.

    A frame that is taken away between the key's two halves never answers the second, and
    Playwright would wait for that answer for ever.
    """
    page.keyboard.down("Escape")
    expect(gone).to_have_count(0, timeout=30_000)
    page.keyboard.up("Escape")
