"""Checks of the seats' books."""

from collections import Counter
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


def _holder_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    for subscription in Subscription.objects.filter(pk__in=pks).order_by():
        yield subscription.pk, _findings_of_holder(subscription)


def _findings_of_holder(subscription: Subscription) -> list[Finding]:
    active = subscription.state == Subscription.State.ACTIVE
    if not subscription.holds_seat or (active and subscription.credential_id is not None):
        return []
    return [
        Finding(
            "only a running subscription holds a seat",
            f"subscription {subscription.pk}",
            f"state is {subscription.state}, credential is {subscription.credential_id}",
        )
    ]


def _seat_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    accounts = Credential.objects.filter(pk__in=pks).order_by()
    seats_of = list(accounts.values_list("pk", "seats_used", "seats"))
    holders = Subscription.objects.filter(credential_id__in=pks, holds_seat=True).order_by()
    held_of = Counter(holders.values_list("credential_id", flat=True))
    for credential_id, used, seats in seats_of:
        held = held_of[credential_id]
        if used == held and used <= seats:
            yield credential_id, []
            continue
        yield (
            credential_id,
            [
                Finding(
                    "seats used equal seats assigned",
                    f"credential {credential_id}",
                    f"seats_used is {used} of {seats}, subscriptions hold {held}",
                )
            ],
        )


def check_missing_seats() -> Iterator[Finding]:
    """Yield each delivered subscription that has no seat and is not known to wait for one."""
    active = Subscription.objects.filter(state=Subscription.State.ACTIVE).order_by()
    yield from looked_at_twice(
        _missing_seat_findings, active.values_list("pk", flat=True).iterator()
    )


def _missing_seat_findings(pks: list[ObjectId]) -> Iterator[tuple[ObjectId, list[Finding]]]:
    for subscription in Subscription.objects.filter(pk__in=pks).order_by():
        yield subscription.pk, _findings_of_missing_seat(subscription)


def _findings_of_missing_seat(subscription: Subscription) -> list[Finding]:
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
            f"subscription {subscription.pk}",
            f"holds_seat is {subscription.holds_seat}, seat_lost_at {subscription.seat_lost_at}",
        )
    ]
