"""Checkout: its script and page, and a shop's page that uses it in a real browser."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import razorpay
import requests
from playwright.sync_api import BrowserContext, Frame, Page, sync_playwright

from razorpay_sandbox.checkout import rupees, text_colour
from razorpay_sandbox.process import SandboxServer
from tests.browser.chromium import ARGUMENTS, find_chromium, press_escape

NewOrder = Callable[..., dict[str, Any]]
SHOP_PAGE = """<!doctype html><meta name="viewport" content="width=device-width">
<title>Shop</title><button id="pay">Top up</button><a href="/">Home</a><pre id="heard"></pre>
<script src="%(sandbox)s/v1/checkout.js"></script>
<script>
  const heard = [];
  function hear(what, data) {
    heard.push([what, data]);
    document.getElementById("heard").textContent = JSON.stringify(heard);
  }
  const checkout = new Razorpay({
    ...%(options)s,
    handler: (response) => hear("handler", response),
    modal: { ondismiss: () => hear("dismissed", null) },
  });
  checkout.on("payment.failed", (response) => hear("failed", response));
  document.getElementById("pay").addEventListener("click", () => checkout.open());
</script>"""


@pytest.mark.parametrize(
    ("paise", "text"),
    [
        (100, "₹1.00"),
        (99_999, "₹999.99"),
        (100_000, "₹1,000.00"),
        (12_345_678, "₹1,23,456.78"),
        (1_000_000_005, "₹1,00,00,000.05"),
    ],
)
def test_rupees_are_grouped_the_indian_way(paise: int, text: str) -> None:
    assert rupees(paise) == text


@pytest.mark.parametrize(("background", "text"), [("#000000", "#ffffff"), ("#ffd400", "#000000")])
def test_text_is_readable_on_the_shops_colour(background: str, text: str) -> None:
    assert text_colour(background) == text


def test_page_shows_the_order_and_escapes_what_it_is_given(
    sandbox: SandboxServer, new_order: NewOrder
) -> None:
    query = {
        "order_id": new_order(12_345_600)["id"],
        "key_id": sandbox.key_id,
        "name": "<script>alert(1)</script>",
        "contact": "</script><b>",
        "color": "red;}",
        "origin": "https://shop.example",
    }
    answer = requests.get(f"{sandbox.base_url}/checkout", params=query, timeout=5)
    assert answer.status_code == 200
    assert "₹1,23,456.00" in answer.text
    assert "Sandbox: no real money moves" in answer.text
    assert "<script>alert" not in answer.text
    assert "</script><b>" not in answer.text
    assert "red;}" not in answer.text
    assert "shop.example" not in answer.text
    assert sandbox.key_secret not in answer.text
    assert re.search(r"""(src|href)=["']?https?:""", answer.text) is None
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors http://127.0.0.1:*" in policy


def test_paid_order_is_not_paid_again_unless_allowed(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    order_id = new_order()["id"]
    call = {"order_id": order_id, "key_id": sandbox.key_id, "outcome": "success"}
    url = f"{sandbox.base_url}/checkout/pay"
    assert requests.post(url, json=call, timeout=5).status_code == 200
    again = requests.post(url, json=call, timeout=5)
    assert again.status_code == 400
    assert again.json()["error"]["description"] == "Payment already done for this order."
    page = requests.get(f"{sandbox.base_url}/checkout", params=call, timeout=5)
    assert "This order is already paid" in page.text
    assert client.order.payments(order_id)["count"] == 1
    sandbox.configure(allow_paid_again=True)
    assert requests.post(url, json=call, timeout=5).status_code == 200
    assert client.order.payments(order_id)["count"] == 2


def test_wrong_key_or_order_cannot_be_paid(sandbox: SandboxServer, new_order: NewOrder) -> None:
    order_id = new_order()["id"]
    for wrong in ({"key_id": "other"}, {"order_id": "order_00000000000000"}, {"outcome": "free"}):
        call = {"order_id": order_id, "key_id": sandbox.key_id, "outcome": "success"} | wrong
        answer = requests.post(f"{sandbox.base_url}/checkout/pay", json=call, timeout=5)
        assert answer.status_code in (400, 401)
    assert sandbox.control("state")["payments"] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield chromium.new_context()
        chromium.close()


@pytest.fixture
def shop(
    browser: BrowserContext, sandbox: SandboxServer, new_order: NewOrder
) -> Iterator[tuple[Page, str]]:
    """A page of a shop on another port, with a strict content policy, and its order's id."""
    order_id = new_order(12_345_600)["id"]
    options = {
        "key": sandbox.key_id,
        "amount": 12_345_600,
        "currency": "INR",
        "order_id": order_id,
        "name": "OTTSONLY",
        "description": "Wallet top-up",
        "prefill": {"contact": "+919876543210", "email": "customer@example.com"},
        "theme": {"color": "#5b2be0"},
    }
    html = SHOP_PAGE % {"sandbox": sandbox.base_url, "options": json.dumps(options)}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header(
                "Content-Security-Policy",
                f"default-src 'none'; frame-src {sandbox.base_url}; "
                f"script-src 'unsafe-inline' {sandbox.base_url}",
            )
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        page = browser.new_page()
        page.set_viewport_size({"width": 390, "height": 844})
        page.set_default_timeout(5_000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        yield page, order_id
        assert errors == []
        page.close()
        server.shutdown()
        thread.join()


def opened(page: Page) -> Frame:
    """Open Checkout by keyboard; return its frame once it is ready and holds the focus."""
    page.focus("#pay")
    page.keyboard.press("Enter")
    page.wait_for_selector("iframe.razorpay-checkout-frame")
    frame = next(frame for frame in page.frames if "/checkout?" in frame.url or not frame.url)
    frame.wait_for_function("document.activeElement?.id === 'merchant' && document.hasFocus()")
    return frame


def heard(page: Page, count: int) -> list[Any]:
    """Return what the shop's page was told, once it was told `count` things."""
    page.wait_for_function(
        "count => JSON.parse(document.getElementById('heard').textContent || '[]')"
        ".length === count",
        arg=count,
    )
    result: list[Any] = json.loads(page.inner_text("#heard") or "[]")
    return result


def closed(page: Page) -> None:
    page.wait_for_selector("iframe.razorpay-checkout-frame", state="detached")
    page.wait_for_function("document.activeElement?.id === 'pay'")


@pytest.mark.browser
def test_customer_pays_after_a_failure(
    shop: tuple[Page, str], sandbox: SandboxServer, client: razorpay.Client
) -> None:
    page, order_id = shop
    frame = opened(page)
    assert frame.inner_text("#amount") == "₹1,23,456.00"
    assert "no real money moves" in frame.inner_text("#sandbox-note")
    frame.click("[data-outcome=failure]")
    [[what, response]] = heard(page, 1)
    assert (what, response["error"]["reason"]) == ("failed", "payment_failed")
    assert response["error"]["metadata"]["order_id"] == order_id
    assert "declined by the bank" in frame.inner_text("#message")
    # Checkout stays open for another try, by card and by keyboard.
    frame.check("input[value=card]")
    frame.focus("[data-outcome=success]")
    page.keyboard.press("Enter")
    what, response = heard(page, 2)[1]
    closed(page)
    assert what == "handler"
    assert set(response) == {"razorpay_payment_id", "razorpay_order_id", "razorpay_signature"}
    assert client.utility.verify_payment_signature(response)
    payment = client.payment.fetch(response["razorpay_payment_id"])
    assert (payment["status"], payment["method"]) == ("captured", "card")
    assert payment["contact"] == "+919876543210"


@pytest.mark.browser
def test_customer_leaves_by_escape_button_and_cross(
    shop: tuple[Page, str], client: razorpay.Client
) -> None:
    page, order_id = shop
    opened(page)
    press_escape(page, page.locator(".razorpay-container"))
    assert heard(page, 1) == [["dismissed", None]]
    closed(page)
    opened(page).click("[data-outcome=abandon]")
    heard(page, 2)
    closed(page)
    opened(page).click("#close")
    assert heard(page, 3) == [["dismissed", None]] * 3
    closed(page)
    assert client.order.fetch(order_id)["status"] == "created"


@pytest.mark.browser
def test_lost_reply_is_paid_and_the_page_hears_nothing(
    shop: tuple[Page, str], sandbox: SandboxServer, client: razorpay.Client
) -> None:
    page, order_id = shop
    opened(page).click("[data-outcome=lost]")
    closed(page)
    assert heard(page, 0) == []
    assert client.order.fetch(order_id)["status"] == "paid"
    events = [item["event"] for item in sandbox.control("webhooks")["items"]]
    assert events == ["payment.authorized", "payment.captured", "order.paid"]
    frame = opened(page)
    assert "already paid" in frame.inner_text("#problem")
    assert not frame.is_visible("[data-outcome=success]")


@pytest.mark.browser
def test_checkout_ignores_messages_of_other_windows(shop: tuple[Page, str]) -> None:
    page, _ = shop
    opened(page)
    page.evaluate(
        "window.postMessage({source: 'razorpay-sandbox', type: 'success', payload: {}}, '*')"
    )
    press_escape(page, page.locator(".razorpay-container"))
    assert heard(page, 1) == [["dismissed", None]]


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_checkout_fits_the_screen_and_keeps_the_focus(
    shop: tuple[Page, str], width: int, scheme: Any
) -> None:
    page, _ = shop
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)
    frame = opened(page)
    assert frame.evaluate("document.documentElement.scrollWidth") == width
    for key in ("Tab", "Shift+Tab"):
        for _step in range(9):
            page.keyboard.press(key)
            assert frame.evaluate("document.hasFocus() && document.activeElement !== document.body")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=str(Path(folder, f"checkout-{width}-{scheme}.png")))
