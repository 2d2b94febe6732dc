"""Razorpay's sandbox as a process, and the shop set up to talk to it."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY

from accounts.models import TotpDevice, User
from razorpay_sandbox.process import SandboxServer
from wallet.circuit import CIRCUIT
from wallet.models import Recharge, SourceRefund
from wallet.recharges import start_recharge


@pytest.fixture(scope="session")
def running_razorpay() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def razorpay(running_razorpay: SandboxServer, settings: Any) -> SandboxServer:
    """The sandbox, empty, sending its web hooks nowhere, with the shop's keys set to it."""
    CIRCUIT.reset()
    running_razorpay.reset()
    running_razorpay.configure(webhook_url="", webhook_retry_seconds=0.02)
    settings.RAZORPAY_KEY_ID = running_razorpay.key_id
    settings.RAZORPAY_KEY_SECRET = running_razorpay.key_secret
    settings.RAZORPAY_WEBHOOK_SECRET = running_razorpay.webhook_secret
    settings.RAZORPAY_BASE_URL = running_razorpay.base_url
    settings.RAZORPAY_CHECKOUT_JS_URL = f"{running_razorpay.base_url}/v1/checkout.js"
    return running_razorpay


@pytest.fixture
def recharge(razorpay: SandboxServer, customer: User) -> Recharge:
    """A top-up of ₹500 that waits for its payment."""
    return start_recharge(user=customer, amount_paise=500_00, key="form-1")


@pytest.fixture
def send_hook(razorpay: SandboxServer) -> Callable[..., int]:
    """Return a function that signs and posts an event; it gives the status of the answer."""

    def send(
        recharge: Recharge,
        *,
        payment_id: str = "pay_1",
        kind: str = "payment.captured",
        event_id: str = "evt_1",
        signature: str | None = None,
        altered: bytes = b"",
        **more: Any,
    ) -> int:
        body = hook_body(recharge, payment_id=payment_id, kind=kind, **more)
        right = hmac.new(razorpay.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
        response = Client().post(
            "/wallet/razorpay/webhook",
            body + altered,
            content_type="application/json",
            headers={
                "X-Razorpay-Signature": right if signature is None else signature,
                "X-Razorpay-Event-Id": event_id,
            },
        )
        return response.status_code

    return send


def hook_body(recharge: Recharge, *, payment_id: str, kind: str, **more: Any) -> bytes:
    """The body of an event about a payment on this top-up; `more` overrides its fields."""
    entity = {
        "id": payment_id,
        "order_id": recharge.razorpay_order_id,
        "amount": recharge.amount_paise,
        "currency": "INR",
        "status": "failed" if kind == "payment.failed" else "captured",
        "error_description": "The bank said no." if kind == "payment.failed" else None,
        **more,
    }
    return json.dumps({"event": kind, "payload": {"payment": {"entity": entity}}}).encode()


@pytest.fixture
def post_signed(razorpay: SandboxServer) -> Callable[..., int]:
    """Return a function that signs and posts any body; it gives the status of the answer."""

    def post(body: dict[str, Any] | bytes, event_id: str = "evt_1") -> int:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = hmac.new(razorpay.webhook_secret.encode(), raw, hashlib.sha256).hexdigest()
        headers = {"X-Razorpay-Signature": signature, "X-Razorpay-Event-Id": event_id}
        return (
            Client()
            .post("/wallet/razorpay/webhook", raw, content_type="application/json", headers=headers)
            .status_code
        )

    return post


@pytest.fixture
def post_events(razorpay: SandboxServer) -> Callable[..., list[int]]:
    """Return a function that posts every event that the sandbox kept back, as it signed them."""

    def post(*, copies: int = 1, backwards: bool = False) -> list[int]:
        items = razorpay.control("webhooks")["items"]
        order = reversed(items) if backwards else items
        return [
            Client()
            .post(
                "/wallet/razorpay/webhook",
                item["body"].encode(),
                content_type="application/json",
                headers={
                    "X-Razorpay-Signature": item["signature"],
                    "X-Razorpay-Event-Id": item["event_id"],
                },
            )
            .status_code
            for item in order
            for _unused in range(copies)
        ]

    return post


@pytest.fixture
def send_refund_hook(post_signed: Callable[..., int]) -> Callable[..., int]:
    """Return a function that posts news of one of our refunds; `more` overrides its fields."""

    def send(refund: SourceRefund, status: str, **more: Any) -> int:
        entity = {
            "id": refund.razorpay_refund_id,
            "payment_id": refund.recharge.payment_id,
            "amount": refund.amount_paise,
            "status": status,
            "notes": {"source_refund": str(refund.pk)},
            **more,
        }
        body = {"event": f"refund.{status}", "payload": {"refund": {"entity": entity}}}
        return post_signed(body, f"evt_refund_{status}")

    return send


@pytest.fixture
def console_for(client_for: Callable[[Any], Client]) -> Callable[[User], Client]:
    """Return a function that gives a browser of a member of the staff, past the second factor."""

    def make(user: User) -> Client:
        client = client_for(user)
        device = TotpDevice.objects.create(user=user, name="authenticator", key="MFRGGZDFMZTWQ2LK")
        session = client.session
        session[DEVICE_ID_SESSION_KEY] = device.persistent_id
        session.save()
        return client

    return make
