"""The routes under /v1, as the official SDK calls them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from razorpay_sandbox.entities import Change
from razorpay_sandbox.errors import ApiError
from razorpay_sandbox.sandbox import Sandbox

Answer = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A request after its authentication: the query, the JSON body, and the refund's key."""

    query: dict[str, str]
    data: dict[str, Any]
    idempotency_key: str | None = None


def call_api(sandbox: Sandbox, method: str, path: str, call: Call) -> Answer:
    """Answer one call; `path` without the query. Raises ApiError."""
    for wanted, pattern, handler in _ROUTES:
        if wanted == method and (found := pattern.fullmatch(path)):
            return handler(sandbox, call, *found.groups())
    raise ApiError("The requested URL was not found on the server.", status=404)


def _announced(sandbox: Sandbox, change: Change) -> Answer:
    sandbox.webhooks.publish(change.events)
    return change.entity


def _create_refund(sandbox: Sandbox, call: Call, payment_id: str | None = None) -> Answer:
    data = dict(call.data)
    target = payment_id or str(data.pop("payment_id", ""))
    return _announced(sandbox, sandbox.store.refund(target, data, key=call.idempotency_key))


def _refunds_of(sandbox: Sandbox, call: Call, payment_id: str) -> Answer:
    sandbox.store.payment(payment_id)
    return sandbox.store.collection("refunds", call.query, payment_id=payment_id)


def _refund_of(sandbox: Sandbox, _call: Call, payment_id: str, refund_id: str) -> Answer:
    refund = sandbox.store.refund_of(refund_id)
    if refund["payment_id"] != payment_id:
        raise ApiError("The id provided does not exist", field="id")
    return refund


_ID = r"([A-Za-z]+_[A-Za-z0-9]+)"
_ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
    (method, re.compile(path), handler)
    for method, path, handler in (
        ("POST", "/v1/orders", lambda s, c: _announced(s, s.store.create_order(c.data))),
        ("GET", "/v1/orders", lambda s, c: s.store.collection("orders", c.query)),
        ("GET", f"/v1/orders/{_ID}", lambda s, c, key: s.store.order(key)),
        ("GET", f"/v1/orders/{_ID}/payments", lambda s, c, key: s.store.payments_of(key)),
        ("GET", "/v1/payments", lambda s, c: s.store.collection("payments", c.query)),
        ("GET", f"/v1/payments/{_ID}", lambda s, c, key: s.store.payment(key)),
        (
            "POST",
            f"/v1/payments/{_ID}/capture",
            lambda s, c, key: _announced(s, s.store.capture(key, c.data)),
        ),
        ("POST", f"/v1/payments/{_ID}/refund", _create_refund),
        ("GET", f"/v1/payments/{_ID}/refunds", _refunds_of),
        ("GET", f"/v1/payments/{_ID}/refunds/{_ID}", _refund_of),
        ("POST", "/v1/refunds", _create_refund),
        ("GET", "/v1/refunds", lambda s, c: s.store.collection("refunds", c.query)),
        ("GET", f"/v1/refunds/{_ID}", lambda s, c, key: s.store.refund_of(key)),
    )
]
