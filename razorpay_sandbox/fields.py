"""What the entities are made of: their ids, their fields, and the checks of single values."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Iterable
from typing import Any

from razorpay_sandbox.errors import ApiError

Entity = dict[str, Any]
METHODS = ("upi", "card")

MINIMUM_PAISE = 100
MAXIMUM_PAISE = 50_000_000
RECEIPT_LENGTH = 40
NOTES_COUNT = 15
NOTE_LENGTH = 256
FEE_PERCENT = 2
GST_PERCENT = 18
FAILED_FIELDS = {
    "error_code": "BAD_REQUEST_ERROR",
    "error_description": "Your payment was declined by the bank. No money was taken.",
    "error_source": "bank",
    "error_step": "payment_authorization",
    "error_reason": "payment_failed",
}

_ID_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return an id of Razorpay's form: the prefix and 14 letters or digits."""
    return f"{prefix}_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(14))


def whole_paise(value: object, *, name: str = "amount") -> int:
    """Return an amount in paise, or raise ApiError unless it is a whole number of 100 or more."""
    if value is None:
        raise ApiError(f"{name}: is required.", field=name)
    # A boolean is an int to Python, but no amount.
    if isinstance(value, bool) or not isinstance(value, int):
        raise ApiError("The amount must be an integer.", field=name)
    if value < MINIMUM_PAISE:
        raise ApiError(
            "Order amount less than minimum amount allowed",
            field=name,
            reason="amount_less_than_minimum_amount",
        )
    if value > MAXIMUM_PAISE:
        raise ApiError("Amount exceeds maximum amount allowed.", field=name)
    return value


def checked_notes(value: object) -> dict[str, str] | list[Any]:
    """Return the notes as Razorpay answers them: an empty list if there are none."""
    if not value:
        return []
    if not isinstance(value, dict):
        raise ApiError("The notes must be an array.", field="notes")
    if len(value) > NOTES_COUNT:
        raise ApiError(f"Number of fields in notes should be <= {NOTES_COUNT}", field="notes")
    notes = {str(key): str(text) for key, text in value.items()}
    if any(len(key) > NOTE_LENGTH or len(text) > NOTE_LENGTH for key, text in notes.items()):
        raise ApiError(f"A note may have at most {NOTE_LENGTH} characters.", field="notes")
    return notes


def query_number(
    query: dict[str, str], name: str, default: int, *, low: int = 0, high: int = 2**62
) -> int:
    """Return a whole number of the query, or raise ApiError unless low <= number <= high."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise ApiError(f"{name} must be an integer.", field=name)
    number = int(text)
    if not low <= number <= high:
        raise ApiError(f"{name} must be between {low} and {high}.", field=name)
    return number


def as_collection(rows: Iterable[Entity]) -> Entity:
    """Return copies of the rows in Razorpay's form of a list."""
    items = [dict(row) for row in rows]
    return {"entity": "collection", "count": len(items), "items": items}


def fee_and_tax(amount: int) -> tuple[int, int]:
    """Return what Razorpay keeps of a captured amount, and the GST within it; all in paise."""
    base = amount * FEE_PERCENT // 100
    tax = base * GST_PERCENT // 100
    return base + tax, tax


def new_order(amount: int, *, receipt: str | None, notes: dict[str, str] | list[Any]) -> Entity:
    """Return an order over `amount` paise that nobody has tried to pay yet."""
    return {
        "id": new_id("order"),
        "entity": "order",
        "amount": amount,
        "amount_paid": 0,
        "amount_due": amount,
        "currency": "INR",
        "receipt": receipt,
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": notes,
        "created_at": int(time.time()),
    }


def new_payment(order: Entity, amount: int, *, method: str, contact: str, email: str) -> Entity:
    """Return a payment over `amount` paise for the order, not yet authorized."""
    upi = method == "upi"
    return {
        "id": new_id("pay"),
        "entity": "payment",
        "amount": amount,
        "currency": order["currency"],
        "status": "created",
        "order_id": order["id"],
        "invoice_id": None,
        "international": False,
        "method": method,
        "amount_refunded": 0,
        "refund_status": None,
        "captured": False,
        "description": None,
        "card_id": None if upi else new_id("card"),
        "bank": None,
        "wallet": None,
        "vpa": "success@razorpay" if upi else None,
        "email": email or None,
        "contact": contact or None,
        "notes": order["notes"],
        "fee": None,
        "tax": None,
        "error_code": None,
        "error_description": None,
        "error_source": None,
        "error_step": None,
        "error_reason": None,
        "acquirer_data": {"rrn": f"{secrets.randbelow(10**12):012d}"} if upi else {},
        "created_at": int(time.time()),
    }


def new_refund(
    payment: Entity,
    amount: int,
    *,
    notes: dict[str, str] | list[Any],
    receipt: str | None,
    speed: str,
) -> Entity:
    """Return a refund of `amount` paise of the payment, already processed."""
    return {
        "id": new_id("rfnd"),
        "entity": "refund",
        "amount": amount,
        "currency": payment["currency"],
        "payment_id": payment["id"],
        "notes": notes,
        "receipt": receipt,
        "acquirer_data": {"arn": None},
        "created_at": int(time.time()),
        "batch_id": None,
        "status": "processed",
        "speed_requested": speed,
        "speed_processed": "normal",
    }


def new_dispute(payment: Entity) -> Entity:
    """Return a dispute over the whole of a payment."""
    return {
        "id": new_id("disp"),
        "entity": "dispute",
        "payment_id": payment["id"],
        "amount": payment["amount"],
        "currency": payment["currency"],
        "amount_deducted": 0,
        "reason_code": "goods_or_services_not_received_or_partially_received",
        "respond_by": int(time.time()) + 7 * 86400,
        "status": "open",
        "phase": "chargeback",
        "created_at": int(time.time()),
    }
