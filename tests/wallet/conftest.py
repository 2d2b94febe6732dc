"""Razorpay's sandbox as a process, and the shop set up to talk to it."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from razorpay_sandbox.process import SandboxServer
from wallet.circuit import CIRCUIT
from wallet.models import Recharge
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
