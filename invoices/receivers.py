"""Each receiver notes, in the transaction of the sale, that a paper is due; nothing else.

An order that carries a place of supply was sold while the shop had a GSTIN, and only those get a
tax invoice. Its number is drawn later by the worker, so that no purchase waits for the counter.
"""

from typing import Any

from invoices.models import DueDocument
from orders.signals import order_paid, order_refunded


def connect() -> None:
    """Listen to the orders."""
    order_paid.connect(on_order_paid, dispatch_uid="invoices.on_order_paid")
    order_refunded.connect(on_order_refunded, dispatch_uid="invoices.on_order_refunded")


def on_order_paid(*, order: Any, **kwargs: Any) -> None:
    """An invoice is due, if the order was sold with GST: only then it has a State."""
    if order.state_code:
        DueDocument.objects.create(key=f"order:{order.pk}", kind=DueDocument.Kind.INVOICE)


def on_order_refunded(*, order: Any, refund: Any, **kwargs: Any) -> None:
    """A credit note is due, if there is an invoice to credit."""
    if order.state_code:
        DueDocument.objects.create(key=f"refund:{refund.pk}", kind=DueDocument.Kind.CREDIT_NOTE)
