"""Each kind of misbehaviour, as the SDK's caller meets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import razorpay
import requests
from razorpay.errors import BadRequestError, ServerError

from razorpay_sandbox.process import SandboxError, SandboxServer

NewOrder = Callable[..., dict[str, Any]]
ORDER = {"amount": 500, "currency": "INR"}


@pytest.mark.parametrize(
    ("kind", "error", "orders"),
    [
        ("timeout", requests.exceptions.ReadTimeout, 0),
        ("hang", requests.exceptions.ReadTimeout, 1),
        ("lost_reply", requests.exceptions.ConnectionError, 1),
        ("500", ServerError, 0),
        ("502html", requests.exceptions.JSONDecodeError, 0),
        ("429", BadRequestError, 0),
        ("409", BadRequestError, 0),
        ("401", BadRequestError, 0),
        ("badjson", requests.exceptions.JSONDecodeError, 0),
    ],
)
def test_fault_happens_once_and_only_late_ones_do_the_work(
    sandbox: SandboxServer,
    client: razorpay.Client,
    kind: str,
    error: type[Exception],
    orders: int,
) -> None:
    sandbox.fault(kind, seconds=1)
    with pytest.raises(error):
        client.order.create(ORDER, timeout=0.2)
    assert len(sandbox.control("state")["orders"]) == orders
    assert client.order.create(ORDER, timeout=5)["status"] == "created"


def test_silent_connection_is_closed_after_its_seconds(
    sandbox: SandboxServer, client: razorpay.Client
) -> None:
    sandbox.fault("timeout", seconds=0.05)
    with pytest.raises(requests.exceptions.ConnectionError):
        client.order.create(ORDER, timeout=5)


def test_fault_keeps_to_its_path_and_count(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    sandbox.fault("500", path_prefix="/v1/payments", count=2)
    order = new_order()
    for _ in range(2):
        with pytest.raises(ServerError):
            client.payment.all()
    assert client.payment.all()["count"] == 0
    assert client.order.fetch(order["id"]) == order


def test_faults_are_forgotten_on_request_and_unknown_ones_refused(
    sandbox: SandboxServer, new_order: NewOrder
) -> None:
    sandbox.fault("500", count=5)
    sandbox.fault("none")
    assert new_order()["status"] == "created"
    with pytest.raises(SandboxError, match="kind must be none or one of"):
        sandbox.fault("earthquake")


def test_lost_reply_is_made_good_by_the_same_receipt(
    sandbox: SandboxServer, client: razorpay.Client, new_order: NewOrder
) -> None:
    data = {**ORDER, "receipt": "recharge-1", "unique_receipt": True}
    sandbox.fault("lost_reply")
    with pytest.raises(requests.exceptions.ConnectionError):
        client.order.create(data)
    [kept] = sandbox.control("state")["orders"]
    assert client.order.create(data) == kept
