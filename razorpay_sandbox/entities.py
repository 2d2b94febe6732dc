"""Orders, payments and refunds: their fields, and the rules by which they change.

Every change returns the events that Razorpay would announce, each with a copy of the entities as
they were at that moment; sending them is the business of `webhooks`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from razorpay_sandbox.errors import ApiError
from razorpay_sandbox.fields import (
    FAILED_FIELDS,
    METHODS,
    RECEIPT_LENGTH,
    Entity,
    as_collection,
    checked_notes,
    fee_and_tax,
    new_dispute,
    new_order,
    new_payment,
    new_refund,
    query_number,
    whole_paise,
)
from razorpay_sandbox.storage import load_state, save_state

Outcome = Literal["success", "failure", "authorized"]
OUTCOMES: tuple[Outcome, ...] = ("success", "failure", "authorized")
PAGE_DEFAULT = 10
PAGE_MAXIMUM = 100

_IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9_-]{10,}")


@dataclass(frozen=True)
class Event:
    """What a web hook tells: its name, and the entities as they were when it happened."""

    name: str
    entities: dict[str, Entity]


@dataclass(frozen=True)
class Change:
    """The entity that a call changed, and the events that follow from it."""

    entity: Entity
    events: list[Event] = field(default_factory=list)


def _event(name: str, **entities: Entity) -> Event:
    return Event(name, copy.deepcopy(entities))


class Store:
    """All entities of the one merchant; safe to use from many threads.

    `state_file`: where every change is also written, and read from at the start; None keeps the
    entities in memory only.
    """

    def __init__(self, state_file: Path | None = None) -> None:
        self._lock = RLock()
        self._state_file = state_file
        self.orders: dict[str, Entity] = {}
        self.payments: dict[str, Entity] = {}
        self.refunds: dict[str, Entity] = {}
        # Disputes are kept in memory only.
        self._disputes: dict[str, Entity] = {}
        # What a new refund begins with: processed at once, or pending until it is settled.
        self.refund_status = "processed"
        # Idempotency key -> the request it came with, and the refund that it made.
        self._refund_keys: dict[str, dict[str, Any]] = {}
        # Receipts claimed with unique_receipt -> order id.
        self._receipts: dict[str, str] = {}
        if state_file is not None:
            self._restore(load_state(state_file))

    # Orders

    def create_order(self, data: dict[str, Any]) -> Change:
        """Create an order, or return the earlier one of a repeated `unique_receipt` request.

        `data`: amount (paise), currency, receipt, notes, unique_receipt. Raises ApiError.
        Source: https://razorpay.com/docs/api/orders/create/, and for unique_receipt the page
        "Retries and Idempotency": a repeated create gives the same order. The same receipt with
        another amount is not a repeat, and is refused as a receipt that is not unique.
        """
        amount = whole_paise(data.get("amount"))
        currency = data.get("currency")
        if currency is None:
            raise ApiError("currency: is required.", field="currency")
        if currency != "INR":
            raise ApiError("Currency is not supported", field="currency")
        receipt = data.get("receipt")
        if receipt is not None and not isinstance(receipt, str):
            raise ApiError("The receipt must be a string.", field="receipt")
        if receipt is not None and len(receipt) > RECEIPT_LENGTH:
            raise ApiError(
                f"receipt: the length must be no more than {RECEIPT_LENGTH}.", field="receipt"
            )
        notes = checked_notes(data.get("notes"))
        claimed = receipt if data.get("unique_receipt") is True else None
        with self._changing():
            if claimed and claimed in self._receipts:
                earlier = self.orders[self._receipts[claimed]]
                if (earlier["amount"], earlier["currency"]) != (amount, currency):
                    raise ApiError("Order receipt should be unique.", field="receipt")
                return Change(copy.deepcopy(earlier))
            order = new_order(amount, receipt=receipt, notes=notes)
            self.orders[order["id"]] = order
            if claimed:
                self._receipts[claimed] = order["id"]
            return Change(copy.deepcopy(order))

    def order(self, order_id: str) -> Entity:
        """Return a copy of the order, or raise ApiError."""
        return self._read(self.orders, order_id)

    def payment(self, payment_id: str) -> Entity:
        """Return a copy of the payment, or raise ApiError."""
        return self._read(self.payments, payment_id)

    def refund_of(self, refund_id: str) -> Entity:
        """Return a copy of the refund, or raise ApiError."""
        return self._read(self.refunds, refund_id)

    # Payments

    def pay(
        self,
        order_id: str,
        *,
        outcome: Outcome,
        method: str = "upi",
        amount: int | None = None,
        contact: str = "",
        email: str = "",
        again: bool = False,
    ) -> Change:
        """Let the customer pay an order.

        `amount` in paise differs from the order's only to test how the shop meets that. `again`
        allows a second payment of a paid order, which Razorpay itself refuses. Raises ApiError.
        """
        if outcome not in OUTCOMES:
            raise ApiError(f"The outcome must be one of {', '.join(OUTCOMES)}.", field="outcome")
        if method not in METHODS:
            raise ApiError(f"The method must be one of {', '.join(METHODS)}.", field="method")
        with self._changing():
            order = self._own(self.orders, order_id)
            held = any(
                p["order_id"] == order_id and p["status"] == "authorized"
                for p in self.payments.values()
            )
            if not again and (order["status"] == "paid" or held):
                raise ApiError(
                    "Payment already done for this order.", field="order_id", reason="order_paid"
                )
            paid = order["amount"] if amount is None else whole_paise(amount)
            payment = new_payment(order, paid, method=method, contact=contact, email=email)
            self.payments[payment["id"]] = payment
            order["attempts"] += 1
            if order["status"] == "created":
                order["status"] = "attempted"
            if outcome == "failure":
                payment |= {"status": "failed", **FAILED_FIELDS}
                return Change(copy.deepcopy(payment), [_event("payment.failed", payment=payment)])
            payment["status"] = "authorized"
            events = [_event("payment.authorized", payment=payment)]
            if outcome == "success":
                events += self._capture(payment)
            return Change(copy.deepcopy(payment), events)

    def capture(self, payment_id: str, data: dict[str, Any]) -> Change:
        """Capture an authorized payment; `data`: amount (paise), currency. Raises ApiError.

        Source: https://razorpay.com/docs/api/payments/capture/
        """
        amount = whole_paise(data.get("amount"))
        with self._changing():
            payment = self._own(self.payments, payment_id)
            if payment["captured"]:
                raise ApiError("This payment has already been captured")
            if payment["status"] != "authorized":
                raise ApiError(
                    "Only payments which have been authorized and not yet captured can be captured"
                )
            if data.get("currency", "INR") != payment["currency"]:
                raise ApiError("Payment currency does not match", field="currency")
            if amount != payment["amount"]:
                raise ApiError(
                    "Capture amount must be equal to the amount authorized", field="amount"
                )
            events = self._capture(payment)
            return Change(copy.deepcopy(payment), events)

    def _capture(self, payment: Entity) -> list[Event]:
        order = self.orders[payment["order_id"]]
        fee, tax = fee_and_tax(payment["amount"])
        payment |= {"status": "captured", "captured": True, "fee": fee, "tax": tax}
        events = [_event("payment.captured", payment=payment)]
        was_paid = order["status"] == "paid"
        order["amount_paid"] = min(order["amount"], order["amount_paid"] + payment["amount"])
        order["amount_due"] = order["amount"] - order["amount_paid"]
        if order["amount_due"] == 0 and not was_paid:
            order["status"] = "paid"
            events.append(_event("order.paid", payment=payment, order=order))
        return events

    # Refunds

    def refund(self, payment_id: str, data: dict[str, Any], *, key: str | None = None) -> Change:
        """Give back a captured payment, or a part of it.

        `data`: amount (paise; all that is left if absent), notes, receipt, speed. `key`: the
        X-Refund-Idempotency header; the same key with the same request returns the first refund.
        Raises ApiError.
        Source: https://razorpay.com/docs/api/refunds/normal-refunds-idempotent
        """
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ApiError(
                "The idempotency key must be at least 10 characters: letters, digits, hyphens "
                "and underscores."
            )
        asked = data.get("amount")
        if asked is not None:
            whole_paise(asked)
        notes = checked_notes(data.get("notes"))
        request = {"payment_id": payment_id, "data": data}
        with self._changing():
            if key is not None and (earlier := self._refund_keys.get(key)):
                if earlier["request"] != request:
                    raise ApiError(
                        "Different request with the same idempotency key has already been "
                        "processed."
                    )
                return Change(copy.deepcopy(self.refunds[earlier["refund_id"]]))
            payment = self._own(self.payments, payment_id)
            left = payment["amount"] - payment["amount_refunded"]
            if not payment["captured"]:
                raise ApiError("The payment status should be captured for action to be taken")
            if left == 0:
                raise ApiError("The payment has been fully refunded already")
            amount = left if asked is None else asked
            if amount > left:
                raise ApiError(
                    "The total refund amount is greater than the refund payment amount",
                    field="amount",
                )
            refund = new_refund(
                payment,
                amount,
                notes=notes,
                receipt=data.get("receipt"),
                speed=data.get("speed", "normal"),
            )
            refund["status"] = self.refund_status
            self.refunds[refund["id"]] = refund
            payment["amount_refunded"] += amount
            whole = payment["amount_refunded"] == payment["amount"]
            payment["refund_status"] = "full" if whole else "partial"
            if whole:
                payment["status"] = "refunded"
            if key is not None:
                self._refund_keys[key] = {"request": request, "refund_id": refund["id"]}
            events = [_event("refund.created", refund=refund, payment=payment)]
            if refund["status"] == "processed":
                events.append(_event("refund.processed", refund=refund, payment=payment))
            return Change(copy.deepcopy(refund), events)

    def forget_refund_keys(self) -> None:
        """Forget the idempotency keys, as Razorpay does after a time."""
        with self._changing():
            self._refund_keys.clear()

    def settle_refund(self, refund_id: str, *, failed: bool) -> Change:
        """Let the bank end a pending refund; a failed one is with the merchant again."""
        with self._changing():
            refund = self._own(self.refunds, refund_id)
            if refund["status"] != "pending":
                raise ApiError("Only a pending refund can be settled.", field="refund_id")
            payment = self._own(self.payments, refund["payment_id"])
            refund["status"] = "failed" if failed else "processed"
            if failed:
                payment["amount_refunded"] -= refund["amount"]
                left = payment["amount_refunded"]
                payment |= {"status": "captured", "refund_status": "partial" if left else None}
            name = f"refund.{refund['status']}"
            return Change(copy.deepcopy(refund), [_event(name, refund=refund, payment=payment)])

    def dispute(self, payment_id: str, *, phase: str) -> Change:
        """Let the customer's bank dispute a payment, or move its dispute on.

        Source: https://razorpay.com/docs/webhooks/payloads/disputes/
        """
        with self._changing():
            payment = self._own(self.payments, payment_id)
            dispute = self._disputes.setdefault(payment_id, new_dispute(payment))
            dispute["status"] = {"created": "open"}.get(phase, phase)
            return Change(
                copy.deepcopy(dispute),
                [_event(f"payment.dispute.{phase}", payment=payment, dispute=dispute)],
            )

    # Lists

    def collection(
        self, kind: Literal["orders", "payments", "refunds"], query: dict[str, str], **match: str
    ) -> Entity:
        """Return a page of entities, newest first, in Razorpay's form of a collection.

        `query`: from, to (seconds since 1970, inclusive), count (at most 100), skip, and for
        orders receipt. `match`: fields that must be equal. Raises ApiError on a bad number.
        """
        count = query_number(query, "count", PAGE_DEFAULT, low=1, high=PAGE_MAXIMUM)
        skip = query_number(query, "skip", 0)
        first = query_number(query, "from", 0)
        last = query_number(query, "to", 2**62)
        wanted = dict(match)
        if kind == "orders" and "receipt" in query:
            wanted["receipt"] = query["receipt"]
        with self._lock:
            rows = [
                row
                for row in reversed(list(getattr(self, kind).values()))
                if first <= row["created_at"] <= last
                and all(row[name] == value for name, value in wanted.items())
            ]
            return as_collection(rows[skip : skip + count])

    def payments_of(self, order_id: str) -> Entity:
        """Return all payments of an order as a collection, or raise ApiError."""
        with self._lock:
            self._own(self.orders, order_id)
            rows = [p for p in self.payments.values() if p["order_id"] == order_id]
            return as_collection(reversed(rows))

    # The whole

    def snapshot(self) -> dict[str, list[Entity]]:
        """Return copies of all orders, payments and refunds, oldest first."""
        with self._lock:
            return {
                kind: copy.deepcopy(list(getattr(self, kind).values()))
                for kind in ("orders", "payments", "refunds")
            }

    def clear(self) -> None:
        """Forget everything, in the state file too."""
        with self._changing():
            for part in (
                self.orders,
                self.payments,
                self.refunds,
                self._refund_keys,
                self._receipts,
                self._disputes,
            ):
                part.clear()

    def _restore(self, state: dict[str, Any]) -> None:
        for kind in ("orders", "payments", "refunds"):
            setattr(self, kind, {row["id"]: row for row in state.get(kind, [])})
        self._refund_keys = state.get("refund_keys", {})
        self._receipts = state.get("receipts", {})

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._lock:
            yield
            if self._state_file is not None:
                state = {
                    **self.snapshot(),
                    "refund_keys": self._refund_keys,
                    "receipts": self._receipts,
                }
                save_state(self._state_file, state)

    def _own(self, rows: dict[str, Entity], key: str) -> Entity:
        if key not in rows:
            raise ApiError("The id provided does not exist", field="id")
        return rows[key]

    def _read(self, rows: dict[str, Entity], key: str) -> Entity:
        with self._lock:
            return copy.deepcopy(self._own(rows, key))
