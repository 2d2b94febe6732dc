"""Jobs as the worker runs them, in the smallest batches, so that a kill can come between two."""

from subscriptions import lifecycle
from telegram_alerts import delivery


def expire_one_by_one() -> None:
    """End what is over, a transaction for each."""
    lifecycle.BATCH = 1
    lifecycle.expire_due()


def deliver() -> None:
    """Send what is due, a few at a time."""
    delivery.BATCH = 3
    delivery.deliver_due()
