"""Checks of the seats' books."""

from collections.abc import Iterator

from bson import ObjectId

from catalog.models import Delivery
from ottsonly.findings import Finding, looked_at_twice
from subscriptions.models import Credential, Subscription


def check_seats() -> Iterator[Finding]:
    """Yield each account whose used seats are not those that subscriptions hold."""
    yield from looked_at_twice(
        _seat_findings, Credential.objects.values_list("pk", flat=True).iterator()
    )


def check_seat_holders() -> Iterator[Finding]:
    """Yield each subscription that holds a seat although it has ended, or without an account."""
    holders = Subscription.objects.filter(holds_seat=True).order_by()
    yield from looked_at_twice(_holder_findings, holders.values_list("pk", flat=True).iterator())


def _holder_findings(subscription_id: ObjectId) -> list[Finding]:
    subscription = Subscription.objects.get(pk=subscription_id)
    active = subscription.state == Subscription.State.ACTIVE
    if not subscription.holds_seat or (active and subscription.credential_id is not None):
        return []
    return [
        Finding(
            "only a running subscription holds a seat",
            f"subscription {subscription_id}",
            f"state is {subscription.state}, credential is {subscription.credential_id}",
        )
    ]


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


def check_missing_seats() -> Iterator[Finding]:
    """Yield each delivered subscription that has no seat and is not known to wait for one."""
    active = Subscription.objects.filter(state=Subscription.State.ACTIVE).order_by()
    yield from looked_at_twice(
        _missing_seat_findings, active.values_list("pk", flat=True).iterator()
    )


def _missing_seat_findings(subscription_id: ObjectId) -> list[Finding]:
    subscription = Subscription.objects.get(pk=subscription_id)
    if (
        subscription.state != Subscription.State.ACTIVE
        or subscription.delivered_at is None
        or subscription.delivery == Delivery.CUSTOMER_EMAIL
    ):
        return []
    if subscription.holds_seat == (subscription.seat_lost_at is None):
        return []
    return [
        Finding(
            "a delivered subscription has a seat, or is known to wait for one",
            f"subscription {subscription_id}",
            f"holds_seat is {subscription.holds_seat}, seat_lost_at {subscription.seat_lost_at}",
        )
    ]
