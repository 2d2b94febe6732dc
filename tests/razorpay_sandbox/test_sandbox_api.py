"""The API as the official SDK sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import razorpay
import requests
from razorpay.errors import BadRequestError, SignatureVerificationError

from razorpay_sandbox.process import SandboxServer

NewOrder = Callable[..., dict[str, Any]]


def test_created_order_is_fetched_with_razorpays_fields(
    client: razorpay.Client, new_order: NewOrder
) -> None:
    order = new_order(50_000, receipt="recharge-1", notes={"user": "7"})
    assert re.fullmatch(r"order_[A-Za-z0-9]{14}", order["id"])
    created_at = order["created_at"]
    assert order == {
        "id": order["id"],
        "entity": "order",
        "amount": 50_000,
        "amount_paid": 0,
        "amount_due": 50_000,
        "currency": "INR",
        "receipt": "recharge-1",
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": {"user": "7"},
        "created_at": created_at,
    }
    assert client.order.fetch(order["id"]) == order


@pytest.mark.parametrize(
    ("wrong", "description"),
    [
        ({"amount": 99}, "Order amount less than minimum amount allowed"),
        ({"amount": 100.5}, "The amount must be an integer."),
        ({"amount": "500"}, "The amount must be an integer."),
        ({"amount": True}, "The amount must be an integer."),
        ({"amount": None}, "amount: is required."),
        ({"amount": 50_000_001}, "Amount exceeds maximum amount allowed."),
        ({"currency": "USD"}, "Currency is not supported"),
        ({"currency": None}, "currency: is required."),
        ({"receipt": "r" * 41}, "receipt: the length must be no more than 40."),
        ({"receipt": 7}, "The receipt must be a string."),
        ({"notes": "text"}, "The notes must be an array."),
        ({"notes": {"k": "v" * 257}}, "A note may have at most 256 characters."),
    ],
)
def test_wrong_order_is_refused_and_not_kept(
    sandbox: SandboxServer, client: razorpay.Client, wrong: dict[str, Any], description: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.order.create({"amount": 500, "currency": "INR", **wrong})
    assert str(refused.value) == description
    assert sandbox.control("state")["orders"] == []


def test_repeated_unique_receipt_returns_the_same_order(
    sandbox: SandboxServer, new_order: NewOrder
) -> None:
    first = new_order(500, receipt="same", unique_receipt=True)
    assert new_order(500, receipt="same", unique_receipt=True) == first
    assert len(sandbox.control("state")["orders"]) == 1


def test_unique_receipt_with_another_amount_is_refused(new_order: NewOrder) -> None:
    new_order(500, receipt="same", unique_receipt=True)
    with pytest.raises(BadRequestError, match="Order receipt should be unique"):
        new_order(600, receipt="same", unique_receipt=True)


def test_receipt_without_the_flag_makes_a_second_order(new_order: NewOrder) -> None:
    assert new_order(500, receipt="same")["id"] != new_order(500, receipt="same")["id"]


def test_orders_are_listed_newest_first_by_receipt_time_and_page(
    client: razorpay.Client, new_order: NewOrder
) -> None:
    ids = [new_order(500, receipt=receipt)["id"] for receipt in ("a", "b", "a")]
    now = client.order.fetch(ids[2])["created_at"]

    def listed(**query: Any) -> list[str]:
        return [order["id"] for order in client.order.all(query)["items"]]

    assert listed() == ids[::-1]
    assert listed(receipt="a") == [ids[2], ids[0]]
    assert listed(count=1, skip=1) == [ids[1]]
    assert listed(**{"from": now + 1}) == []
    assert listed(to=now) == ids[::-1]
    with pytest.raises(BadRequestError):
        client.order.all({"count": 101})


@pytest.mark.parametrize(
    "auth", [("rzp_test_sandbox", "wrong"), ("other", "sandbox-key-secret"), None]
)
def test_wrong_key_is_refused(sandbox: SandboxServer, auth: tuple[str, str] | None) -> None:
    answer = requests.get(f"{sandbox.base_url}/v1/orders", auth=auth, timeout=5)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "BAD_REQUEST_ERROR"
    assert answer.json()["error"]["description"] == "Authentication failed"
    with pytest.raises(BadRequestError, match="Authentication failed"):
        razorpay.Client(auth=auth, base_url=sandbox.base_url).order.all()


def test_unknown_ids_and_routes_are_refused(client: razorpay.Client) -> None:
    for call in (client.order.fetch, client.payment.fetch, client.refund.fetch):
        with pytest.raises(BadRequestError, match="The id provided does not exist"):
            call("order_00000000000000")
    with pytest.raises(BadRequestError, match="URL was not found"):
        client.get("/v1/cards", {})


def test_paid_order_has_a_captured_payment_with_a_valid_signature(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    order = new_order(50_000)
    paid = sandbox.pay(order["id"], contact="+919876543210")
    assert client.utility.verify_payment_signature(
        {
            "razorpay_order_id": order["id"],
            "razorpay_payment_id": paid["payment_id"],
            "razorpay_signature": paid["signature"],
        }
    )
    payment = client.payment.fetch(paid["payment_id"])
    assert {name: payment[name] for name in ("status", "captured", "amount", "order_id")} == {
        "status": "captured",
        "captured": True,
        "amount": 50_000,
        "order_id": order["id"],
    }
    assert (payment["fee"], payment["tax"], payment["method"]) == (1_180, 180, "upi")
    assert payment["contact"] == "+919876543210"
    now = client.order.fetch(order["id"])
    assert (now["status"], now["amount_paid"], now["amount_due"]) == ("paid", 50_000, 0)
    assert client.order.payments(order["id"])["items"] == [payment]
    assert client.payment.all()["items"] == [payment]


def test_signature_of_another_order_does_not_verify(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    paid = sandbox.pay(new_order()["id"])
    with pytest.raises(SignatureVerificationError):
        client.utility.verify_payment_signature(
            {
                "razorpay_order_id": new_order()["id"],
                "razorpay_payment_id": paid["payment_id"],
                "razorpay_signature": paid["signature"],
            }
        )


def test_failed_payment_leaves_the_order_open(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    order = new_order()
    payment = client.payment.fetch(sandbox.pay(order["id"], "failure")["payment_id"])
    assert (payment["status"], payment["captured"]) == ("failed", False)
    assert payment["error_code"] == "BAD_REQUEST_ERROR"
    assert client.order.fetch(order["id"])["status"] == "attempted"
    sandbox.pay(order["id"])
    now = client.order.fetch(order["id"])
    assert (now["status"], now["attempts"]) == ("paid", 2)


def test_authorized_payment_is_captured_once_with_its_own_amount(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    order = new_order(50_000)
    payment_id = sandbox.pay(order["id"], "authorized")["payment_id"]
    assert client.payment.fetch(payment_id)["status"] == "authorized"
    with pytest.raises(BadRequestError, match="must be equal to the amount authorized"):
        client.payment.capture(payment_id, 40_000, {"currency": "INR"})
    captured = client.payment.capture(payment_id, 50_000, {"currency": "INR"})
    assert (captured["status"], captured["captured"]) == ("captured", True)
    assert client.order.fetch(order["id"])["status"] == "paid"
    with pytest.raises(BadRequestError, match="already been captured"):
        client.payment.capture(payment_id, 50_000, {"currency": "INR"})


def test_second_and_altered_payments_are_made_on_request(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    order = new_order(50_000)
    sandbox.pay(order["id"], amount=100)
    now = client.order.fetch(order["id"])
    assert (now["status"], now["amount_paid"], now["amount_due"]) == ("attempted", 100, 49_900)
    sandbox.pay(order["id"])
    sandbox.pay(order["id"])
    payments = client.order.payments(order["id"])["items"]
    assert [(p["amount"], p["status"]) for p in payments] == [
        (50_000, "captured"),
        (50_000, "captured"),
        (100, "captured"),
    ]
    assert client.order.fetch(order["id"])["amount_paid"] == 50_000


def test_refund_is_made_once_per_idempotency_key(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    payment_id = sandbox.pay(new_order(50_000)["id"])["payment_id"]

    def refund(amount: int, key: str) -> dict[str, Any]:
        made: dict[str, Any] = client.payment.refund(
            payment_id, {"amount": amount}, headers={"X-Refund-Idempotency": key}
        )
        return made

    first = refund(20_000, "refund-key-1")
    assert re.fullmatch(r"rfnd_[A-Za-z0-9]{14}", first["id"])
    assert (first["amount"], first["status"]) == (20_000, "processed")
    assert refund(20_000, "refund-key-1") == first
    with pytest.raises(BadRequestError, match="Different request with the same idempotency key"):
        refund(10_000, "refund-key-1")
    with pytest.raises(BadRequestError, match="at least 10 characters"):
        refund(10_000, "short")
    payment = client.payment.fetch(payment_id)
    assert (payment["amount_refunded"], payment["refund_status"]) == (20_000, "partial")
    assert client.payment.fetch_multiple_refund(payment_id)["items"] == [first]
    assert client.refund.fetch(first["id"]) == first


def test_refund_never_exceeds_what_was_captured(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    payment_id = sandbox.pay(new_order(50_000)["id"])["payment_id"]
    client.payment.refund(payment_id, {"amount": 20_000})
    with pytest.raises(BadRequestError, match="greater than the refund payment amount"):
        client.payment.refund(payment_id, {"amount": 30_001})
    assert client.payment.refund(payment_id, {})["amount"] == 30_000
    payment = client.payment.fetch(payment_id)
    assert (payment["status"], payment["refund_status"]) == ("refunded", "full")
    assert payment["amount_refunded"] == 50_000
    with pytest.raises(BadRequestError, match="fully refunded already"):
        client.payment.refund(payment_id, {"amount": 100})
    assert client.refund.all()["count"] == 2


def test_uncaptured_payment_is_not_refunded(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    payment_id = sandbox.pay(new_order()["id"], "authorized")["payment_id"]
    with pytest.raises(BadRequestError, match="should be captured"):
        client.payment.refund(payment_id, {"amount": 100})
    assert sandbox.control("state")["refunds"] == []


def test_foreign_pages_cannot_reach_the_control_routes(sandbox: SandboxServer) -> None:
    url = f"{sandbox.base_url}/_control/reset"
    plain = requests.post(url, data="{}", headers={"Content-Type": "text/plain"}, timeout=5)
    assert plain.status_code == 415
    rebound = requests.post(url, json={}, headers={"Host": "shop.example"}, timeout=5)
    assert rebound.status_code == 403
