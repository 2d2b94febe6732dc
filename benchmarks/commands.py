"""How many database commands one operation sends."""

from collections.abc import Callable
from typing import Any

from pymongo import monitoring


class _Counter(monitoring.CommandListener):
    def __init__(self) -> None:
        self.sent = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.sent += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to count."""


_COUNTER = _Counter()
# Connections that are opened from now on tell it; so this comes before Django's first.
monitoring.register(_COUNTER)


def count_commands(user: Any, operation: Callable[[Any], object]) -> int:
    """Do `operation` with a test client, logged in as `user` unless None; return its commands."""
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    if user is not None:
        client.force_login(user)
    before = _COUNTER.sent
    operation(client)
    return _COUNTER.sent - before
