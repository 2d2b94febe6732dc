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
# credential=, subscription=: the account that it runs on has another password.
password_changed = Signal()
# subscription=: its account was retired and the pool has no other seat yet.
seat_lost = Signal()
# subscription=: its invitation was marked as sent and was not.
invitation_undone = Signal()
# subscription=: the invitation was sent once more.
invitation_sent_again = Signal()
# report=, subscription=: a customer says that it does not work.
problem_reported = Signal()
# report=, subscription=
problem_answered = Signal()
