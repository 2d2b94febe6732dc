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
        case "POST", "/_control/webhooks/release":
            released = sandbox.webhooks.release(
                order=str(data.get("order", "kept")),
                seed=_whole(data, "seed", 0),
                copies=_whole(data, "copies", 1, low=1),
            )
            return {"released": released}
        case "POST", "/_control/refunds/settle":
            change = sandbox.store.settle_refund(
                str(data.get("refund_id")), failed=data.get("failed") is True
            )
            sandbox.webhooks.publish(change.events)
            return change.entity
        case "POST", "/_control/refunds/forget-keys":
            sandbox.store.forget_refund_keys()
            return {"ok": True}
        case "POST", "/_control/dispute":
            change = sandbox.store.dispute(
                str(data.get("payment_id")), phase=str(data.get("phase", "created"))
            )
            sandbox.webhooks.publish(change.events)
            return change.entity
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


_SETTINGS = frozenset(
    {
        "webhook_url",
        "webhook_retry_seconds",
        "allow_paid_again",
        "hold_webhooks",
        "refund_status",
    }
)


def _configure(sandbox: Sandbox, data: dict[str, Any]) -> dict[str, Any]:
    unknown = set(data) - _SETTINGS
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
    if "hold_webhooks" in data:
        sandbox.webhooks.hold = data["hold_webhooks"] is True
    if "refund_status" in data:
        if data["refund_status"] not in ("processed", "pending"):
            raise ApiError("refund_status must be processed or pending.", field="refund_status")
        sandbox.store.refund_status = data["refund_status"]
    return {
        "hold_webhooks": sandbox.webhooks.hold,
        "refund_status": sandbox.store.refund_status,
        "webhook_url": sandbox.webhooks.url,
        "webhook_retry_seconds": sandbox.webhooks.retry_seconds,
        "allow_paid_again": sandbox.allow_paid_again,
    }


def _whole(data: dict[str, Any], name: str, default: int, *, low: int = 0) -> int:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ApiError(f"{name} must be a whole number of at least {low}.", field=name)
    return value
