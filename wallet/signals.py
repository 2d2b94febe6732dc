"""What the wallet tells; sent inside the transaction, by `send` only."""

from django.dispatch import Signal

# recharge=, entry=: the money is in the wallet.
wallet_recharged = Signal()
# recharge=: Razorpay captured a payment.
payment_succeeded = Signal()
