"""Checks of the seats' books."""

from collections.abc import Iterator

from ottsonly.findings import Finding
from ottsonly.mongo import in_transaction
from subscriptions.models import Credential, Subscription


def check_seats() -> Iterator[Finding]:
    """Yield each account whose used seats are not those that subscriptions hold."""
    for credential_id in Credential.objects.values_list("pk", flat=True).iterator():
        if _seat_finding(credential_id) is None:
            continue
        finding = in_transaction(lambda pk=credential_id: _seat_finding(pk))
        if finding is not None:
            yield finding


def _seat_finding(credential_id: object) -> Finding | None:
    used, seats = Credential.objects.values_list("seats_used", "seats").get(pk=credential_id)
    held = Subscription.objects.filter(credential_id=credential_id, holds_seat=True).count()
    if used == held and used <= seats:
        return None
    return Finding(
        "seats used equal seats assigned",
        f"credential {credential_id}",
        f"seats_used is {used} of {seats}, subscriptions hold {held}",
    )
