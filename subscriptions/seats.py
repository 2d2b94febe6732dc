"""Seats of stored accounts: claimed and given back by conditional updates whose count is checked.

Every function here is called inside a transaction of the caller's, together with what the seat is
for.
"""

from bson import ObjectId
from django.utils.translation import gettext as _

from subscriptions.errors import NoSeat
from subscriptions.models import Credential, Subscription


def claim_seat(*, plan_id: ObjectId, other_than: ObjectId | None = None) -> Credential | None:
    """Take a seat of the plan's oldest free account; None if the pool is empty.

    The count that was read is the condition of the update, so a seat is never given twice. An
    account whose password is due to be changed is passed over.

    Args:
        other_than: the account that is to be replaced, and so no candidate.
    """
    free = Credential.objects.without_secrets().filter(
        plan_id=plan_id, state=Credential.State.AVAILABLE, rotation_due=False
    )
    if other_than is not None:
        free = free.exclude(pk=other_than)
    candidate = free.order_by("created_at").first()
    if candidate is None:
        return None
    claim_seat_of(credential=candidate)
    return candidate


def claim_seat_of(*, credential: Credential) -> None:
    """Take a seat of this account.

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
    """Give the seat of an ended subscription back.

    The subscription still names its account afterwards: whose it was must stay known.
    """
    held = Subscription.objects.filter(pk=subscription.pk, holds_seat=True).update(holds_seat=False)
    subscription.holds_seat = False
    if held == 1 and subscription.credential_id is not None:
        free_seat_of(subscription.credential_id)


def free_seat_of(credential_id: ObjectId, *, burn: bool = False) -> None:
    """Count one seat less of an account.

    Whoever had the seat knows the password, so the account is due for a new one (unless its plan
    says otherwise) before anybody new gets a seat.

    Args:
        burn: retire the account, because it does not work.

    Raises:
        NoSeat: the account was changed since it was read.
    """
    credential = Credential.objects.without_secrets().select_related("plan").get(pk=credential_id)
    state = credential.state
    if burn:
        state = Credential.State.RETIRED
    elif state == Credential.State.FULL:
        state = Credential.State.AVAILABLE
    freed = Credential.objects.filter(pk=credential_id, seats_used=credential.seats_used).update(
        seats_used=credential.seats_used - 1,
        state=state,
        rotation_due=credential.rotation_due or credential.plan.rotate_after_seat,
    )
    if freed != 1:
        # A transaction sees one snapshot, so this cannot be; a seat must not be lost in silence.
        raise NoSeat(_("This account was changed at the same moment. Please try again."))
