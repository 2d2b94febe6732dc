"""What subscriptions tell; sent inside the transaction, by `send` only."""

from django.dispatch import Signal

# subscription=, order= (None where no order led to it): its first delivery.
subscription_activated = Signal()
# subscription=: it runs on another account now.
credentials_replaced = Signal()
# subscription=, extension=: an operator gave days.
subscription_extended = Signal()
# subscription=: an operator ended it.
subscription_cancelled = Signal()
# reminders=: a list of Reminders, whose titles and bodies the customers are told.
reminders_written = Signal()
