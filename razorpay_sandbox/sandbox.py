"""The sandbox as a whole: its keys, its entities, its faults and its web hooks."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from threading import Event as Signal

from razorpay_sandbox.entities import Store
from razorpay_sandbox.faults import Faults
from razorpay_sandbox.webhooks import Webhooks


@dataclass
class Sandbox:
    """All that the routes work on.

    `allow_paid_again`: Checkout takes a paid order again.
    """

    key_id: str
    key_secret: str
    store: Store
    webhooks: Webhooks
    faults: Faults = field(default_factory=Faults)
    allow_paid_again: bool = False
    stopping: Signal = field(default_factory=Signal)

    def signature(self, order_id: str, payment_id: str) -> str:
        """Return what proves to the shop that this payment belongs to this order.

        Source: https://razorpay.com/docs/payments/payment-gateway/web-integration/standard/,
        "Verify Payment Signature".
        """
        message = f"{order_id}|{payment_id}".encode()
        return hmac.new(self.key_secret.encode(), message, hashlib.sha256).hexdigest()

    def reset(self) -> None:
        """Forget all entities, faults and events; the keys and the webhook_url stay."""
        self.allow_paid_again = False
        self.webhooks.hold = False
        self.store.refund_status = "processed"
        self.faults.add({"kind": "none"})
        self.webhooks.clear()
        self.store.clear()
