"""What changes stored accounts and running subscriptions, and who may see the login."""

from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from catalog.models import Delivery, Plan
from ottsonly import clock
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from subscriptions.errors import (
    CancellationRefused,
    ExtensionRefused,
    NoSeat,
    NotDelivered,
    ReplacementRefused,
)
from subscriptions.models import Credential, Extension, Reveal, Subscription
from subscriptions.seats import claim_seat, claim_seat_of, free_seat_of, release_seat
from subscriptions.signals import (
    credentials_replaced,
    subscription_cancelled,
    subscription_extended,
)

MOST_DAYS_GIVEN = 366


def add_credential(
    *,
    plan: Plan,
    login: str,
    password: str,
    actor: Any,
    pin: str = "",
    profile: str = "",
    notes: str = "",
    seats: int = 1,
) -> Credential:
    """Put an account into the pool of `plan`.

    Raises:
        NoSeat: an account with this login is already stored for the platform.
    """
    fingerprint = Credential.fingerprint_of(platform_id=plan.platform_id, login=login)

    def work() -> Credential:
        credential = Credential.objects.create(
            plan=plan,
            login=login.strip(),
            password=password,
            pin=pin,
            profile=profile,
            notes=notes,
            seats=seats,
            fingerprint=fingerprint,
        )
        record_event(
            actor=actor, action="credential.add", target=credential, after={"seats": seats}
        )
        return credential

    try:
        return in_transaction(work)
    except IntegrityError:
        raise NoSeat(_("An account with this login is already stored.")) from None


def replace_credentials(
    *,
    subscription: Subscription,
    reason: str,
    actor: Any,
    credential: Credential | None = None,
    burn: bool = False,
    seen: Subscription | None = None,
) -> Subscription:
    """Move a running subscription to another account; no date changes.

    Args:
        seen: the subscription as the operator saw it: if it has another account by now, nothing
            is done, so that a form that comes twice replaces once.
        reason: why, for the trace.
        credential: the account to move to; None takes the pool's oldest free one.
        burn: retire the account that is replaced, so that nobody else gets it.

    Raises:
        ReplacementRefused: nothing was delivered yet, it ended, or somebody else just changed it.
        NoSeat: the account, or the whole pool, has no seat for it.
    """

    def work() -> Subscription:
        fresh = Subscription.objects.get(pk=subscription.pk)
        old_id = fresh.credential_id
        # Who lost the seat may have one of the same account, if that came back to the pool.
        left_id = old_id if fresh.holds_seat else None
        if fresh.state != Subscription.State.ACTIVE or fresh.delivered_at is None:
            raise ReplacementRefused(_("Only a running subscription has login details to replace."))
        if fresh.delivery == Delivery.CUSTOMER_EMAIL:
            raise ReplacementRefused(_("This customer uses an account of their own."))
        if seen is not None and (seen.credential_id, seen.holds_seat) != (old_id, fresh.holds_seat):
            raise ReplacementRefused(_("This subscription has got another account meanwhile."))
        seat = credential and Credential.objects.without_secrets().get(pk=credential.pk)
        if seat is None:
            seat = claim_seat(plan_id=fresh.plan_id, other_than=left_id)
            if seat is None:
                raise NoSeat(_("No other account with a free seat is in the pool."))
        elif seat.plan_id != fresh.plan_id or seat.pk == left_id:
            raise ReplacementRefused(_("Choose another account of the same plan."))
        else:
            claim_seat_of(credential=seat)
        moved = Subscription.objects.filter(
            pk=fresh.pk,
            state=Subscription.State.ACTIVE,
            credential=old_id,
            holds_seat=fresh.holds_seat,
        ).update(credential=seat, holds_seat=True, seat_lost_at=None)
        if moved != 1:
            raise ReplacementRefused(_("This subscription was changed at the same moment."))
        if fresh.holds_seat and old_id is not None:
            free_seat_of(old_id, burn=burn)
        record_event(
            actor=actor,
            action="subscription.replace",
            target=fresh,
            before={"credential": str(old_id) if old_id else ""},
            after={"credential": str(seat.pk), "reason": reason, "burned": burn},
        )
        fresh.refresh_from_db()
        credentials_replaced.send(sender=Subscription, subscription=fresh)
        return fresh

    return in_transaction(work)


def extend_subscription(
    *, subscription: Subscription, days: int, reason: str, actor: Any, key: str
) -> Extension:
    """Give days without payment; they are added where the subscription ends.

    Args:
        key: the idempotency key of the form; the same key gives the days once.

    Raises:
        ExtensionRefused: it ended already, the number of days is not from 1 to 366, or the key
            gave other days before.
    """
    if not 1 <= days <= MOST_DAYS_GIVEN:
        raise ExtensionRefused(_("Enter a number of days from 1 to %d.") % MOST_DAYS_GIVEN)

    def work() -> Extension:
        extension = Extension(
            subscription=subscription, days=days, reason=reason, actor=actor, key=key
        )
        fresh = Subscription.objects.get(pk=subscription.pk)
        if fresh.state != Subscription.State.ACTIVE:
            raise ExtensionRefused(_("This subscription has ended: it cannot be made longer."))
        start, longer = fresh.ends_at, timedelta(days=days)
        if fresh.delivered_at is not None:
            start = max(start, clock.now())
            extension.period_start, extension.period_end = start, start + longer
        extension.save(force_insert=True)
        changed = Subscription.objects.filter(
            pk=fresh.pk,
            state=Subscription.State.ACTIVE,
            ends_at=fresh.ends_at,
            delivered_at=fresh.delivered_at,
        ).update(ends_at=start + longer)
        if changed != 1:
            raise ExtensionRefused(_("This subscription was changed at the same moment."))
        record_event(
            actor=actor,
            action="subscription.extend",
            target=fresh,
            before={"ends_at": fresh.ends_at.isoformat()},
            after={"ends_at": (start + longer).isoformat(), "days": days, "reason": reason},
        )
        fresh.refresh_from_db()
        subscription_extended.send(sender=Subscription, subscription=fresh, extension=extension)
        return extension

    try:
        return in_transaction(work)
    except IntegrityError:
        earlier = Extension.objects.filter(key=key).first()
        if earlier is None:
            raise
        if (earlier.subscription_id, earlier.days) != (subscription.pk, days):
            raise ExtensionRefused(_("This form was used for another change already.")) from None
        return earlier


def cancel_subscription(*, subscription: Subscription, reason: str, actor: Any) -> Subscription:
    """End a delivered subscription now and give its seat back; no money moves.

    Raises:
        CancellationRefused: it ended already, or was never delivered (its order is refunded then,
            which ends it too).
    """

    def work() -> Subscription:
        fresh = Subscription.objects.get(pk=subscription.pk)
        if fresh.state != Subscription.State.ACTIVE:
            raise CancellationRefused(_("This subscription has ended already."))
        if fresh.delivered_at is None:
            raise CancellationRefused(_("Nothing was delivered yet: refund the order instead."))
        ends_at = min(fresh.ends_at, clock.now())
        changed = Subscription.objects.filter(
            pk=fresh.pk, state=Subscription.State.ACTIVE, ends_at=fresh.ends_at
        ).update(state=Subscription.State.CANCELLED, ends_at=ends_at)
        if changed != 1:
            raise CancellationRefused(_("This subscription was changed at the same moment."))
        release_seat(subscription=fresh)
        record_event(
            actor=actor,
            action="subscription.cancel",
            target=fresh,
            before={"ends_at": fresh.ends_at.isoformat(), "state": fresh.state},
            after={"ends_at": ends_at.isoformat(), "reason": reason},
        )
        fresh.refresh_from_db()
        subscription_cancelled.send(sender=Subscription, subscription=fresh)
        return fresh

    return in_transaction(work)


def reveal_credentials(*, subscription: Subscription, user: Any, ip: str) -> dict[str, str]:
    """Return the secrets of a customer's own running subscription and record that they were seen.

    Raises:
        NotDelivered: nothing was delivered yet, or the time is over by the clock.
    """
    credential = subscription.credential
    if subscription.user_id != user.pk or credential is None or not subscription.can_reveal:
        raise NotDelivered(_("There are no login details to show for this subscription."))
    # Recorded before it is shown: a look that left no trace must not be possible.
    Reveal.objects.create(credential=credential, subscription=subscription, user=user, ip=ip)
    return {
        "login": credential.login,
        "password": credential.password,
        "pin": credential.pin,
        "profile": credential.profile,
        "notes": credential.notes,
    }
