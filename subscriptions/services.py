"""Seats of stored credentials, and who may see them."""

from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.utils import timezone
from django.utils.translation import gettext as _

from catalog.models import Plan
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from subscriptions.errors import NoSeat, NotDelivered
from subscriptions.models import Credential, Reveal, Subscription


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


def claim_seat(*, plan_id: ObjectId) -> Credential | None:
    """Take a seat of the plan's oldest free account; None if the pool is empty.

    Only inside a transaction: the count that was read is the condition of the update, so a seat is
    never given twice. An account whose password is due to be changed is passed over.
    """
    candidate = (
        Credential.objects.filter(
            plan_id=plan_id, state=Credential.State.AVAILABLE, rotation_due=False
        )
        .order_by("created_at")
        .first()
    )
    if candidate is None:
        return None
    claim_seat_of(credential=candidate)
    return candidate


def claim_seat_of(*, credential: Credential) -> None:
    """Take a seat of this account; only inside a transaction.

    Raises:
        NoSeat: it is full, retired, or waits for a new password.
    """
    used = credential.seats_used + 1
    full = used >= credential.seats
    claimed = Credential.objects.filter(
        pk=credential.pk,
        state=Credential.State.AVAILABLE,
        rotation_due=False,
        seats_used=credential.seats_used,
    ).update(seats_used=used, state=Credential.State.FULL if full else Credential.State.AVAILABLE)
    if claimed != 1:
        raise NoSeat(_("This account has no seat that may be given to somebody new."))


def release_seat(*, subscription: Subscription) -> None:
    """Give the seat of an ended subscription back; only inside a transaction.

    Whoever had the seat knows the password, so the account is due for a new one (unless its plan
    says otherwise) before anybody new gets a seat.
    """
    held = Subscription.objects.filter(pk=subscription.pk, holds_seat=True).update(holds_seat=False)
    subscription.holds_seat = False
    if held != 1 or subscription.credential_id is None:
        return
    credential = Credential.objects.select_related("plan").get(pk=subscription.credential_id)
    state = credential.state
    if state == Credential.State.FULL:
        state = Credential.State.AVAILABLE
    Credential.objects.filter(pk=credential.pk, seats_used=credential.seats_used).update(
        seats_used=credential.seats_used - 1,
        state=state,
        rotation_due=credential.rotation_due or credential.plan.rotate_after_seat,
    )


def change_password(*, credential: Credential, password: str, actor: Any) -> None:
    """Store a new password; the account may be given to new customers again."""

    def work() -> None:
        fresh = Credential.objects.get(pk=credential.pk)
        fresh.password = password
        fresh.rotation_due = False
        fresh.save(update_fields=["password", "rotation_due"])
        record_event(actor=actor, action="credential.change_password", target=fresh)

    in_transaction(work)


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


def expire_subscription(*, subscription: Subscription) -> bool:
    """End a subscription whose time is over; say whether this call ended it.

    Compare-and-set on the `ends_at` that was read: a renewal in between wins.
    """

    def work() -> bool:
        ended = Subscription.objects.filter(
            pk=subscription.pk,
            state=Subscription.State.ACTIVE,
            delivered_at__isnull=False,
            ends_at=subscription.ends_at,
            ends_at__lte=timezone.now(),
        ).update(state=Subscription.State.EXPIRED)
        if ended != 1:
            return False
        release_seat(subscription=subscription)
        return True

    return in_transaction(work)
