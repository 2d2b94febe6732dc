"""Checks of the seats' books."""

from collections.abc import Iterator

from bson import ObjectId

from ottsonly.findings import Finding, looked_at_twice
from subscriptions.models import Credential, Subscription


def check_seats() -> Iterator[Finding]:
    """Yield each account whose used seats are not those that subscriptions hold."""
    yield from looked_at_twice(
        _seat_findings, Credential.objects.values_list("pk", flat=True).iterator()
    )


def _seat_findings(credential_id: ObjectId) -> list[Finding]:
    used, seats = Credential.objects.values_list("seats_used", "seats").get(pk=credential_id)
    held = Subscription.objects.filter(credential_id=credential_id, holds_seat=True).count()
    if used == held and used <= seats:
        return []
    return [
        Finding(
            "seats used equal seats assigned",
            f"credential {credential_id}",
            f"seats_used is {used} of {seats}, subscriptions hold {held}",
        )
    ]
