"""What subscriptions tell; sent inside the transaction, by `send` only."""

from django.dispatch import Signal

# subscription=, order= (None where no order led to it): its first delivery.
subscription_activated = Signal()
