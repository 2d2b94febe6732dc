"""What the wallet tells; sent inside the transaction, by `send` only."""

from django.dispatch import Signal

# recharge=, entry=: the money is in the wallet.
wallet_recharged = Signal()
# recharge=: Razorpay captured a payment.
payment_succeeded = Signal()
# item=: money at Razorpay that no document explains; an operator has to look.
open_item_recorded = Signal()
# item=, phase=: the customer's bank disputes a payment, or the dispute moved on.
payment_disputed = Signal()
# event=: a web hook event was tried often and is not applied yet; sent once for each streak.
webhook_failing = Signal()
# refund=: money left the wallet towards its source.
source_refund_requested = Signal()
# refund=: it arrived (processed) or came back to the wallet (failed).
source_refund_finished = Signal()
