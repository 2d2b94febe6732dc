"""Refunds that take their time, disputes, and events that are kept back and come disordered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import razorpay

from razorpay_sandbox.process import SandboxError, SandboxServer

NewOrder = Callable[..., dict[str, Any]]


@pytest.fixture
def payment_id(sandbox: SandboxServer, new_order: NewOrder) -> str:
    return sandbox.pay(new_order()["id"], webhook=False)["payment_id"]


def _events(sandbox: SandboxServer) -> list[str]:
    return [item["event"] for item in sandbox.control("webhooks")["items"]]


@pytest.mark.parametrize(("failed", "left"), [(False, 20_000), (True, 0)])
def test_a_pending_refund_is_settled_once(
    sandbox: SandboxServer, client: razorpay.Client, payment_id: str, failed: bool, left: int
) -> None:
    sandbox.configure(refund_status="pending")
    refund = client.payment.refund(payment_id, {"amount": 20_000})
    assert refund["status"] == "pending"
    settled = sandbox.control("refunds/settle", {"refund_id": refund["id"], "failed": failed})
    assert settled["status"] == ("failed" if failed else "processed")
    assert client.payment.fetch(payment_id)["amount_refunded"] == left
    assert _events(sandbox)[-2:] == ["refund.created", f"refund.{settled['status']}"]
    with pytest.raises(SandboxError, match="Only a pending refund"):
        sandbox.control("refunds/settle", {"refund_id": refund["id"]})


def test_a_dispute_moves_on_under_one_id(sandbox: SandboxServer, payment_id: str) -> None:
    steps = [
        sandbox.control("dispute", {"payment_id": payment_id, "phase": phase})
        for phase in ("created", "lost")
    ]
    assert [step["status"] for step in steps] == ["open", "lost"]
    assert steps[0]["id"] == steps[1]["id"]
    assert _events(sandbox)[-2:] == ["payment.dispute.created", "payment.dispute.lost"]


def test_forgotten_keys_make_a_second_refund(
    sandbox: SandboxServer, client: razorpay.Client, payment_id: str
) -> None:
    def refund() -> str:
        return client.payment.refund(
            payment_id, {"amount": 10_000}, headers={"X-Refund-Idempotency": "a-long-enough-key"}
        )["id"]

    first = refund()
    assert refund() == first
    sandbox.control("refunds/forget-keys", {})
    assert refund() != first


def test_events_that_were_kept_come_in_any_order_and_number(
    sandbox: SandboxServer, payment_id: str
) -> None:
    with pytest.raises(SandboxError, match="There is no webhook_url"):
        sandbox.control("webhooks/release", {})
    sandbox.configure(webhook_url="http://127.0.0.1:9/", hold_webhooks=True)
    assert sandbox.control("webhooks")["pending"] == 0
    with pytest.raises(SandboxError, match="kept, reversed or shuffled"):
        sandbox.control("webhooks/release", {"order": "sideways"})
    released = sandbox.control("webhooks/release", {"order": "shuffled", "seed": 7, "copies": 2})
    assert released == {"released": 3}
    listing = sandbox.wait_for_webhooks()
    assert [len(item["attempts"]) for item in listing["items"]] == [12, 12, 12]
