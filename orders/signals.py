"""What orders tell; sent inside the transaction, by `send` only."""

from django.dispatch import Signal

# order=, subscription=: paid from the wallet, delivered or not.
order_paid = Signal()
# order=, subscription=: credentials assigned for the first time, or the invitation sent.
order_delivered = Signal()
# order=, refund=
order_refunded = Signal()
