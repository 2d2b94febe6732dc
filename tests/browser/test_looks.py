"""Every page, narrow and wide, light and dark: it fits, it is light, and axe finds nothing serious.

The pages come from the table of addresses, so a new page is looked at without a word here.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import axe_playwright_python
import pytest
from django.test import Client
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, WIDE, Shop
from tests.test_addresses import ADDRESSES, address_of
from tests.world import World, make_world

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
RUN_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .filter((found) => ["serious", "critical"].includes(found.impact))
    .map((found) => found.id + ": " + found.nodes.map((node) => node.target).join(", "))"""
LIMIT_BYTES = 60_000
# A folder: every page is left there as a picture.
PICTURES = os.environ.get("SCREENSHOTS")
# Pages in another state than the table's addresses show.
MORE = {
    "nobody": [
        "/plans/?q=nothing-like-it",
        "/plans/?platform=nataka&sort=price&in_stock=on",
        "/plans/?min_price=much",
        "/plans/surtaal/family/",
        "/no-such-page/",
    ],
    "owner": [
        "/",
        "/plans/",
        "/buy/surtaal/solo/",
        "/orders/{order}/?new=1",
        "/wallet/?amount=249&next=/plans/",
        "/wallet/?amount=much",
        "/wallet/statement/?kind=refund",
    ],
    "stranger": ["/buy/nataka/premium/", "/orders/", "/subscriptions/", "/wallet/"],
    "admin": ["/", "/plans/nataka/premium/"],
}


class Weight:
    """Bytes that a page's files take on the wire, fonts aside."""

    def __init__(self, page: Page) -> None:
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)
        self._kinds: dict[str, str] = {}
        self.bytes = 0

    def _received(self, event: dict) -> None:
        self._kinds[event["requestId"]] = event["type"]

    def _finished(self, event: dict) -> None:
        if self._kinds.get(event["requestId"]) != "Font":
            self.bytes += int(event["encodedDataLength"])


def _pages(role: str, world: World) -> Iterator[str]:
    for route, line in ADDRESSES.items():
        # Each once: open pages as a stranger, others as the first who may see them.
        if role == next((who for who in ("nobody", "owner", "admin") if _opens(route, who)), None):
            yield address_of(route, line, world.values)
    yield from (address.format(**world.values) for address in MORE[role])


def _is_page(page: Page, address: str) -> bool:
    """Whether it is shown by the browser, and not a file to keep."""
    answer = page.context.request.head(address, max_redirects=0)
    kind = answer.headers.get("content-type", "")
    return kind.startswith("text/html") and "content-disposition" not in answer.headers


def _opens(route: str, role: str) -> bool:
    return "200" in ADDRESSES[route].status("GET", role)


def come_in(page: Page, shop: Shop, client: Client) -> None:
    """Give the browser the session of a test client."""
    cookie = client.cookies.get("sessionid")
    if cookie is not None:
        page.context.add_cookies(
            [{"name": "sessionid", "value": cookie.value, "url": shop.url, "httpOnly": True}]
        )


@pytest.mark.parametrize("role", MORE)
def test_every_page_fits_is_light_and_has_no_serious_barrier(
    empty_shop: Shop, open_page: Callable[..., Page], role: str
) -> None:
    world = make_world()
    # A script of ours beside the page's own: only the test's browser may run it.
    page = open_page(WIDE, bypass_csp=True)
    page.add_init_script(AXE)
    come_in(page, empty_shop, world.clients[role])
    weight = Weight(page)
    wrong = []
    seen = 0
    for address in _pages(role, world):
        if not _is_page(page, empty_shop.url + address):
            continue
        seen += 1
        weight.bytes = 0
        page.goto(empty_shop.url + address, wait_until="networkidle")
        if weight.bytes > LIMIT_BYTES:
            wrong.append(f"{role} {address}: {weight.bytes} bytes without fonts")
        for width, scheme in ((WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 844})
            if PICTURES:
                name = f"{role}{address.replace('/', '_').replace('?', '-')}-{width}-{scheme}.png"
                page.screenshot(path=Path(PICTURES, name), full_page=True)
            if scheme == "light":
                wide = page.evaluate("document.documentElement.scrollWidth")
                if wide > width:
                    wrong.append(f"{role} {address}: {wide} px wide in a window of {width}")
            if (width, scheme) in ((WIDE, "light"), (PHONE, "dark")):
                for found in page.evaluate(RUN_AXE):
                    wrong.append(f"{role} {address} at {width} px, {scheme}: {found}")
    assert wrong == [], "\n".join(wrong)
    assert seen >= len(MORE[role]) > 0


def test_axe_and_the_scale_would_see_a_bad_page(
    empty_shop: Shop, open_page: Callable[..., Page]
) -> None:
    page = open_page(WIDE, bypass_csp=True)
    page.add_init_script(AXE)
    weight = Weight(page)
    page.goto(f"{empty_shop.url}/plans/", wait_until="networkidle")
    # The page itself, five style sheets and two scripts, all compressed.
    assert 10_000 < weight.bytes < LIMIT_BYTES
    assert page.evaluate(RUN_AXE) == []
    page.evaluate("document.querySelector('main').innerHTML = '<button></button>'")
    assert page.evaluate(RUN_AXE) == ["button-name: button"]
