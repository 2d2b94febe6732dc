"""What this room tells the rooms above, inside the transaction in which it happens."""

from django.dispatch import Signal

# user (with the new phone), old_phone (E.164)
phone_changed = Signal()
