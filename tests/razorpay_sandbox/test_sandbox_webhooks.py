"""Web hooks: their form, their signature, and that they come at least once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import razorpay
from razorpay.errors import SignatureVerificationError

from razorpay_sandbox.process import SandboxError, SandboxServer

NewOrder = Callable[..., dict[str, Any]]


@dataclass
class Received:
    """One web hook as it came in."""

    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """A small HTTP server in the place of the shop; `answers` are used up first, then 200."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def wait_for(self, count: int, *, seconds: float = 5.0) -> list[Received]:
        """Return what came in, once that is `count` web hooks."""
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} web hooks came"
            time.sleep(0.01)
        return self.received


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    shop = Receiver()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            with lock:
                headers = {name.lower(): value for name, value in self.headers.items()}
                shop.received.append(Received(headers, body))
                status = shop.answers.pop(0) if shop.answers else 200
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shop.url = f"http://127.0.0.1:{server.server_address[1]}/webhook/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield shop
        server.shutdown()
        thread.join()


def names(receiver: Receiver) -> list[str]:
    return sorted(json.loads(hook.body)["event"] for hook in receiver.received)


@pytest.fixture
def listening(sandbox: SandboxServer, receiver: Receiver) -> Receiver:
    sandbox.configure(webhook_url=receiver.url)
    return receiver


def test_payment_is_announced_with_valid_signatures(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder, listening: Receiver
) -> None:
    order = new_order(50_000)
    paid = sandbox.pay(order["id"])
    hooks = {json.loads(hook.body)["event"]: hook for hook in listening.wait_for(3)}
    assert set(hooks) == {"payment.authorized", "payment.captured", "order.paid"}
    assert len({hook.headers["x-razorpay-event-id"] for hook in hooks.values()}) == 3
    for hook in hooks.values():
        assert hook.headers["content-type"] == "application/json"
        assert client.utility.verify_webhook_signature(
            hook.body, hook.headers["x-razorpay-signature"], sandbox.webhook_secret
        )
    with pytest.raises(SignatureVerificationError):
        client.utility.verify_webhook_signature(
            hooks["order.paid"].body + " ",
            hooks["order.paid"].headers["x-razorpay-signature"],
            sandbox.webhook_secret,
        )
    envelope = json.loads(hooks["order.paid"].body)
    assert (envelope["entity"], envelope["contains"]) == ("event", ["payment", "order"])
    assert envelope["payload"]["order"]["entity"] == client.order.fetch(order["id"])
    assert envelope["payload"]["payment"]["entity"] == client.payment.fetch(paid["payment_id"])
    # Each tells of the payment as it was at that moment, not as it is now.
    authorized = json.loads(hooks["payment.authorized"].body)["payload"]["payment"]["entity"]
    assert (authorized["status"], authorized["captured"]) == ("authorized", False)


def test_failure_capture_and_refund_are_announced(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder, listening: Receiver
) -> None:
    order = new_order(50_000)
    sandbox.pay(order["id"], "failure")
    listening.wait_for(1)
    assert names(listening) == ["payment.failed"]
    payment_id = sandbox.pay(order["id"], "authorized")["payment_id"]
    client.payment.capture(payment_id, 50_000, {"currency": "INR"})
    client.payment.refund(payment_id, {"amount": 100})
    listening.wait_for(6)
    assert names(listening) == [
        "order.paid",
        "payment.authorized",
        "payment.captured",
        "payment.failed",
        "refund.created",
        "refund.processed",
    ]


def test_refused_hook_is_sent_again_with_the_same_event_id(
    sandbox: SandboxServer, new_order: NewOrder, listening: Receiver
) -> None:
    listening.answers = [500, 302]
    sandbox.pay(new_order()["id"], "failure")
    hooks = listening.wait_for(3)
    assert len({hook.headers["x-razorpay-event-id"] for hook in hooks}) == 1
    assert len({hook.body for hook in hooks}) == 1
    [item] = sandbox.wait_for_webhooks()["items"]
    assert item["state"] == "delivered"
    assert [attempt["status"] for attempt in item["attempts"]] == [500, 302, 200]


def test_hook_that_nobody_takes_is_given_up(sandbox: SandboxServer, new_order: NewOrder) -> None:
    # Port 9 (discard) has no server: the connection is refused at once.
    sandbox.configure(webhook_url="http://127.0.0.1:9/", webhook_retry_seconds=0.005)
    sandbox.pay(new_order()["id"], "failure")
    [item] = sandbox.wait_for_webhooks()["items"]
    assert (item["state"], len(item["attempts"])) == ("failed", 6)
    assert item["attempts"][0]["status"] is None
    assert item["attempts"][0]["error"].startswith("ConnectionRefusedError")


def test_hooks_are_doubled_withheld_and_resent_on_request(
    sandbox: SandboxServer, new_order: NewOrder, listening: Receiver
) -> None:
    sandbox.pay(new_order()["id"], "failure", duplicate=2)
    ids = {hook.headers["x-razorpay-event-id"] for hook in listening.wait_for(3)}
    assert len(ids) == 1
    sandbox.pay(new_order()["id"], "failure", webhook=False)
    held = sandbox.wait_for_webhooks()["items"][-1]
    assert (held["state"], held["attempts"], len(listening.received)) == ("withheld", [], 3)
    sandbox.control("webhooks/resend", {"event_id": held["event_id"], "times": 2})
    hooks = listening.wait_for(5)
    assert [hook.body for hook in hooks[3:]] == [held["body"]] * 2
    with pytest.raises(SandboxError, match="no event with this id"):
        sandbox.control("webhooks/resend", {"event_id": "unknown"})
