"""The pool of stored accounts: what it holds, new passwords, looks at it, and broken accounts."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from bson import ObjectId
from django.db.models import Sum
from django.utils.translation import gettext as _

from catalog.models import Plan
from ottsonly import clock, jobs
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from subscriptions.errors import (
    NoSeat,
    PasswordRefused,
    ReplacementRefused,
    RetirementRefused,
)
from subscriptions.lifecycle import expire
from subscriptions.models import BEGINNING, Credential, Reveal, Subscription
from subscriptions.seats import claim_seat, release_seat
from subscriptions.services import (
    add_credential,
    replace_credentials,
)
from subscriptions.signals import credentials_replaced, password_changed, seat_lost

logger = logging.getLogger(__name__)


@dataclass
class PlanSeats:
    """The seats of one plan's accounts that are not retired."""

    plan: Plan
    seats: int = 0
    used: int = 0
    # Free, but not to be given to anybody before the password was changed.
    locked: int = 0

    @property
    def free(self) -> int:
        return self.seats - self.used - self.locked


def seats_by_plan(plans: Iterable[Plan]) -> list[PlanSeats]:
    """Return free and used seats of each plan, in the order of `plans`; one command."""
    found = {plan.pk: PlanSeats(plan) for plan in plans}
    groups = (
        Credential.objects.filter(
            plan_id__in=list(found), state__in=[Credential.State.AVAILABLE, Credential.State.FULL]
        )
        .order_by()
        .values("plan_id", "rotation_due")
        .annotate(all_seats=Sum("seats"), all_used=Sum("seats_used"))
    )
    for group in groups:
        counted = found[group["plan_id"]]
        counted.seats += group["all_seats"]
        counted.used += group["all_used"]
        if group["rotation_due"]:
            counted.locked += group["all_seats"] - group["all_used"]
    return list(found.values())


def change_password(
    *, credential: Credential, password: str, actor: Any, pin: str | None = None
) -> int:
    """Store a new password once for everybody; return how many seat holders are told.

    The account may be given to new customers again.

    Args:
        pin: a new PIN; None leaves the stored one.

    Raises:
        PasswordRefused: it is empty, or it is the old one, although it was due to be changed.
    """
    if not password:
        raise PasswordRefused(_("Enter the new password."))

    def work() -> int:
        fresh = Credential.objects.get(pk=credential.pk)
        new_pin = fresh.pin if pin is None else pin
        if (password, new_pin) == (fresh.password, fresh.pin):
            if fresh.rotation_due:
                raise PasswordRefused(_("This is the old password. Change it at the platform."))
            # The same form came twice; the first one told everybody.
            return 0
        fresh.password, fresh.pin, fresh.rotation_due = password, new_pin, False
        fresh.save(update_fields=["password", "pin", "rotation_due"])
        record_event(actor=actor, action="credential.change_password", target=fresh)
        holders = list(Subscription.objects.filter(credential_id=fresh.pk, holds_seat=True))
        for subscription in holders:
            password_changed.send(sender=Credential, credential=fresh, subscription=subscription)
        return len(holders)

    return in_transaction(work)


def reveal_account(*, credential: Credential, actor: Any, ip: str) -> dict[str, str]:
    """Return the secrets of a stored account to an operator and record that they were seen."""

    def work() -> None:
        Reveal.objects.create(credential=credential, user=actor, ip=ip)
        record_event(actor=actor, action="credential.reveal", target=credential)

    # Recorded before it is shown: a look that left no trace must not be possible.
    in_transaction(work)
    return {
        "login": credential.login,
        "password": credential.password,
        "pin": credential.pin,
        "profile": credential.profile,
        "notes": credential.notes,
    }


def replace_with_new(
    *,
    subscription: Subscription,
    login: str,
    password: str,
    reason: str,
    actor: Any,
    pin: str = "",
    profile: str = "",
    burn: bool = False,
    seen: Subscription | None = None,
) -> Subscription:
    """Move a subscription to an account that is typed in now and has one seat.

    Raises:
        ReplacementRefused, NoSeat: as for replace_credentials; nothing is stored then.
    """

    def work() -> Subscription:
        fresh = Subscription.objects.select_related("plan").get(pk=subscription.pk)
        account = add_credential(
            plan=fresh.plan, login=login, password=password, pin=pin, profile=profile, actor=actor
        )
        return replace_credentials(
            subscription=fresh,
            reason=reason,
            actor=actor,
            credential=account,
            burn=burn,
            seen=seen,
        )

    return in_transaction(work)


@dataclass
class Moved:
    """What became of the holders of a retired account."""

    moved: int = 0
    waiting: int = 0
    # Could not be moved just now: the worker tries again.
    left: int = 0


def retire_account(*, credential: Credential, reason: str, actor: Any) -> Moved:
    """Retire a broken account and move every holder to another seat of its plan.

    Who finds no seat runs on without one and is the first to get the next. First the account is
    closed; each holder is then moved in a transaction of its own. If this is killed in between,
    the worker goes on with those who are left.

    Raises:
        RetirementRefused: it is retired already, and nobody is left on it.
    """

    def work() -> None:
        # Also one whose secrets can be read with no key any more.
        fresh = Credential.objects.without_secrets().get(pk=credential.pk)
        if fresh.state == Credential.State.RETIRED and not fresh.seats_used:
            raise RetirementRefused(_("This account is retired already."))
        closed = Credential.objects.filter(pk=fresh.pk, moving_since__isnull=True).update(
            state=Credential.State.RETIRED, moving_since=clock.now()
        )
        if closed == 1:
            record_event(
                actor=actor,
                action="credential.retire",
                target=fresh,
                before={"state": fresh.state, "seats_used": fresh.seats_used},
                after={"reason": reason},
            )

    in_transaction(work)
    return _move_holders(credential.pk, actor)


def reopen_account(*, credential: Credential, reason: str, actor: Any) -> None:
    """Return a wrongly retired account to the pool, with the holders that it still has.

    Who was moved elsewhere stays there; who still waits may get a seat of it. A password that is
    due to be changed stays due: until then nobody new gets a seat.

    Raises:
        RetirementRefused: it is not retired, its holders are being moved just now, or its count of
            seats is not what subscriptions hold: then somebody has to look first.
    """

    def work() -> None:
        fresh = Credential.objects.without_secrets().get(pk=credential.pk)
        if fresh.state != Credential.State.RETIRED:
            raise RetirementRefused(_("This account is not retired."))
        if fresh.moving_since is not None:
            raise RetirementRefused(_("Its holders are being moved just now. Try again later."))
        held = Subscription.objects.filter(credential_id=fresh.pk, holds_seat=True).count()
        if held != fresh.seats_used or held > fresh.seats:
            raise RetirementRefused(
                _("Its seats do not agree with the subscriptions that hold it.")
            )
        state = Credential.State.FULL if held == fresh.seats else Credential.State.AVAILABLE
        # Whoever takes, gives back or moves a seat meanwhile writes this document too.
        reopened = Credential.objects.filter(
            pk=fresh.pk,
            state=Credential.State.RETIRED,
            moving_since__isnull=True,
            seats_used=held,
        ).update(state=state)
        if reopened != 1:
            raise RetirementRefused(_("This account was changed at the same moment."))
        record_event(
            actor=actor,
            action="credential.reopen",
            target=fresh,
            before={"state": fresh.state},
            after={"state": state, "seats_used": held, "reason": reason},
        )

    in_transaction(work)


def finish_retirements() -> None:
    """Go on with accounts whose holders were being moved when a process ended."""
    moving = Credential.objects.filter(
        state=Credential.State.RETIRED, moving_since__gt=BEGINNING
    ).order_by("moving_since")
    for credential_id in list(moving.values_list("pk", flat=True)):
        if not jobs.may_continue():
            return
        _move_holders(credential_id, None)


def _move_holders(credential_id: ObjectId, actor: Any) -> Moved:
    counted = Moved()
    holders = Subscription.objects.filter(credential_id=credential_id, holds_seat=True)
    for pk in list(holders.order_by("delivered_at").values_list("pk", flat=True)):
        try:
            got_seat = in_transaction(partial(_move, pk, credential_id, actor))
        except Exception:
            # One holder who cannot be moved must not keep the others on a broken account.
            logger.exception("holder %s of account %s could not be moved", pk, credential_id)
            counted.left += 1
            continue
        counted.moved += got_seat is True
        counted.waiting += got_seat is False
    # Nobody is given a seat of a retired account, so nobody came since the list was read.
    Credential.objects.filter(pk=credential_id, seats_used=0).update(moving_since=None)
    return counted


def _move(pk: ObjectId, old_id: ObjectId, actor: Any) -> bool | None:
    """Move one holder; None if it holds no seat of the old account any more."""
    fresh = Subscription.objects.select_related("plan").get(pk=pk)
    if fresh.credential_id != old_id or not fresh.holds_seat:
        return None
    if not fresh.is_running(clock.now()):
        expire([pk])
        return None
    seat = claim_seat(plan_id=fresh.plan_id, other_than=old_id)
    release_seat(subscription=fresh)
    moved = Subscription.objects.filter(
        pk=pk, state=Subscription.State.ACTIVE, credential_id=old_id, holds_seat=False
    ).update(
        # Without another seat it goes on naming the account that it had.
        credential_id=seat.pk if seat else old_id,
        holds_seat=seat is not None,
        seat_lost_at=None if seat else clock.now(),
    )
    if moved != 1:
        raise ReplacementRefused(_("This subscription was changed at the same moment."))
    record_event(
        actor=actor,
        action="subscription.replace" if seat else "subscription.lose_seat",
        target=fresh,
        before={"credential": str(old_id)},
        after={"credential": str(seat.pk)} if seat else {},
    )
    fresh.refresh_from_db()
    if seat:
        credentials_replaced.send(sender=Subscription, subscription=fresh)
    else:
        seat_lost.send(sender=Subscription, subscription=fresh)
    return seat is not None


def seat_those_without(*, limit: int = 100) -> int:
    """Give free seats to subscriptions that lost theirs, the longest first; return how many."""
    seated = 0
    empty: set[ObjectId] = set()
    stuck: set[ObjectId] = set()
    while True:
        waiting = Subscription.objects.without_seat()
        waiting = waiting.exclude(plan_id__in=list(empty)).exclude(pk__in=list(stuck))
        found = list(waiting[:limit])
        before = len(empty) + len(stuck)
        for subscription in found:
            if subscription.plan_id in empty:
                continue
            if not jobs.may_continue():
                return seated
            if not subscription.is_running(clock.now()):
                stuck.add(subscription.pk)
                continue
            try:
                replace_credentials(
                    subscription=subscription,
                    reason="the account before was retired",
                    actor=None,
                    seen=subscription,
                )
                seated += 1
            except NoSeat:
                empty.add(subscription.plan_id)
            except ReplacementRefused:
                # Seated or ended since the list was read.
                stuck.add(subscription.pk)
            except Exception:
                # One that cannot be seated must keep neither the others nor new orders waiting.
                logger.exception("subscription %s could not be seated", subscription.pk)
                stuck.add(subscription.pk)
        # Plans without a free seat, and what fails, must not hide those behind them.
        if len(found) < limit or len(empty) + len(stuck) == before:
            return seated
