"""The control routes: what a test does in the place of the customer, the bank and the network."""

from __future__ import annotations

from typing import Any

from razorpay_sandbox.errors import ApiError
from razorpay_sandbox.sandbox import Sandbox


def control(sandbox: Sandbox, method: str, path: str, data: dict[str, Any]) -> dict[str, Any]:
    """Answer a call under /_control; raises ApiError."""
    match method, path:
        case "GET", "/_control/state":
            return sandbox.store.snapshot()
        case "GET", "/_control/webhooks":
            return sandbox.webhooks.listing()
        case "POST", "/_control/webhooks/resend":
            sandbox.webhooks.resend(str(data.get("event_id")), _whole(data, "times", 1, low=1))
            return {"ok": True}
        case "POST", "/_control/pay":
            return _pay(sandbox, data)
        case "POST", "/_control/faults":
            return {"faults": sandbox.faults.add(data)}
        case "POST", "/_control/config":
            return _configure(sandbox, data)
        case "POST", "/_control/reset":
            sandbox.reset()
            return {"ok": True}
    raise ApiError("There is no such control route.", status=404)


def _pay(sandbox: Sandbox, data: dict[str, Any]) -> dict[str, Any]:
    """Pay an order, even a paid one: to ask for it here is to mean it."""
    change = sandbox.store.pay(
        str(data.get("order_id")),
        outcome=data.get("outcome", "success"),
        method=str(data.get("method", "upi")),
        amount=data.get("amount"),
        contact=str(data.get("contact", "")),
        email=str(data.get("email", "")),
        again=True,
    )
    sandbox.webhooks.publish(
        change.events,
        send=data.get("webhook", True) is True,
        copies=1 + _whole(data, "duplicate", 0),
    )
    payment = change.entity
    return {
        "payment_id": payment["id"],
        "order_id": payment["order_id"],
        "signature": sandbox.signature(payment["order_id"], payment["id"]),
    }


def _configure(sandbox: Sandbox, data: dict[str, Any]) -> dict[str, Any]:
    unknown = set(data) - {"webhook_url", "webhook_retry_seconds", "allow_paid_again"}
    if unknown:
        raise ApiError(f"There is no setting {', '.join(sorted(unknown))}.")
    if "webhook_url" in data:
        sandbox.webhooks.url = str(data["webhook_url"] or "")
    if "webhook_retry_seconds" in data:
        seconds = data["webhook_retry_seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds < 0:
            raise ApiError("webhook_retry_seconds must be a number of at least 0.")
        sandbox.webhooks.retry_seconds = float(seconds)
    if "allow_paid_again" in data:
        sandbox.allow_paid_again = data["allow_paid_again"] is True
    return {
        "webhook_url": sandbox.webhooks.url,
        "webhook_retry_seconds": sandbox.webhooks.retry_seconds,
        "allow_paid_again": sandbox.allow_paid_again,
    }


def _whole(data: dict[str, Any], name: str, default: int, *, low: int = 0) -> int:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ApiError(f"{name} must be a whole number of at least {low}.", field=name)
    return value
