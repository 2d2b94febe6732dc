"""Ends and reminders: what happens to subscriptions by the clock alone.

Everything here is a job of the worker: in batches of one transaction each, in the order of the
ends, safe beside itself and after any number of days in which no worker ran.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId
from django.db import IntegrityError
from django.db.models import F, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from catalog.models import Plan
from ottsonly import clock
from ottsonly.jobs import may_continue
from ottsonly.money import format_rupees
from ottsonly.mongo import in_transaction
from ottsonly.related import attach_related
from ottsonly.states import sources
from subscriptions.errors import AutoRenewRefused
from subscriptions.messages import channels_for
from subscriptions.models import Credential, Reminder, Subscription
from subscriptions.signals import reminders_written

logger = logging.getLogger(__name__)

# Ids read at once, and documents of one transaction; both bound the memory.
LIST = 1000
BATCH = 100
DAY = timedelta(days=1)
# An automatic renewal is tried so many days before the end for the first time.
FIRST_TRY_DAYS = 3
# From and to how many days before the end each reminder is due. One that was missed while no
# worker ran is not made up for: the next one says what is true by then.
WINDOWS = (
    (Reminder.Kind.DAYS_1, 0, 1),
    (Reminder.Kind.DAYS_3, 1, 3),
    (Reminder.Kind.DAYS_7, 3, 7),
)


def expire_due() -> None:
    """End every subscription whose time is over, the longest over first.

    One that cannot be ended does not hold up those behind it; only if none can, the job fails.
    """
    due, ended, problem = _over(), 0, None
    while may_continue():
        found = list(due.order_by("ends_at", "pk").values_list("pk", "ends_at")[:LIST])
        for batch in _batches([pk for pk, _ends_at in found]):
            if not may_continue():
                return
            try:
                ended += expire(batch)
            except Exception as error:
                logger.exception("%d ends failed together; each is tried alone", len(batch))
                problem = error
                ended += _expire_each(batch)
        if len(found) < LIST:
            break
        pk, ends_at = found[-1]
        due = _over().filter(Q(ends_at__gt=ends_at) | Q(ends_at=ends_at, pk__gt=pk))
    if problem is not None and not ended:
        raise problem


def _expire_each(ids: list[ObjectId]) -> int:
    ended = 0
    for pk in ids:
        if not may_continue():
            break
        try:
            ended += expire([pk])
        except Exception:
            logger.exception("subscription %s could not be ended", pk)
    return ended


def expire(ids: list[ObjectId]) -> int:
    """End those of `ids` whose time is over by the clock; return how many this call ended.

    State, seat, reminder and notice are one transaction. It reads the ends anew: a renewal that
    came before it wins, one that comes meanwhile conflicts with it, and then one of them waits.
    """
    return in_transaction(partial(_expire, ids))


def _expire(ids: list[ObjectId]) -> int:
    now = clock.now()
    # By the keys alone: they are the shortest way to a hundred documents.
    found = Subscription.objects.filter(pk__in=ids)
    over = sorted((item for item in found if item.is_over(now)), key=lambda item: item.ends_at)
    if not over:
        return 0
    attach_related(over, ("user",))
    Subscription.objects.filter(pk__in=[item.pk for item in over]).update(
        state=Subscription.State.EXPIRED, holds_seat=False
    )
    _free_seats([item.credential_id for item in over if item.holds_seat])
    _write([_ended(item) for item in over])
    return len(over)


def _over() -> Any:
    """Return what is delivered, running by its state, and over by the clock."""
    return Subscription.objects.filter(
        state__in=sources(Subscription.TRANSITIONS, Subscription.State.EXPIRED),
        ends_at__lte=clock.now(),
        delivered_at__isnull=False,
    )


def _free_seats(credential_ids: list[Any]) -> None:
    """Give seats of many accounts back, as services.release_seat does for one.

    An account is written once, whatever number of its seats ended.
    """
    seats = Counter(credential_ids)
    accounts = Credential.objects.filter(pk__in=list(seats))
    plans = set(accounts.values_list("plan_id", flat=True))
    rotating = set(
        Plan.objects.filter(pk__in=plans, rotate_after_seat=True).values_list("pk", flat=True)
    )
    for count in set(seats.values()):
        Credential.objects.filter(
            pk__in=[pk for pk, number in seats.items() if number == count]
        ).update(seats_used=F("seats_used") - count)
    accounts.filter(state=Credential.State.FULL).update(state=Credential.State.AVAILABLE)
    if rotating:
        accounts.filter(plan_id__in=rotating, rotation_due=False).update(rotation_due=True)


def remind_due() -> None:
    """Write each reminder that is due and was not written yet.

    Each run looks through the whole windows, the soonest ends first. So it does not matter how an
    end came into its window, by time, by delivery or by a refund.
    """
    now = clock.now()
    for kind, from_days, to_days in WINDOWS:
        for batch in in_window(now + from_days * DAY, now + to_days * DAY):
            ids = [item.pk for item in batch]
            try:
                _remind_anew(ids, kind, to_days)
            except Exception:
                logger.exception("%d reminders failed together; each is tried alone", len(ids))
                _remind_each(ids, kind, to_days)


def _remind_anew(ids: list[ObjectId], kind: str, to_days: int) -> None:
    # Another worker may have written one of them since: then they are read again.
    try:
        in_transaction(partial(_remind, ids, kind, to_days))
    except IntegrityError:
        in_transaction(partial(_remind, ids, kind, to_days))


def _remind_each(ids: list[ObjectId], kind: str, to_days: int) -> None:
    """Remind of each by itself, so that one which cannot be told does not silence the others."""
    for pk in ids:
        if not may_continue():
            return
        try:
            _remind_anew([pk], kind, to_days)
        except Exception:
            logger.exception("reminder of subscription %s failed", pk)


def in_window(start: datetime, end: datetime, **more: Any) -> Iterator[list[Subscription]]:
    """Yield what runs and ends in (start, end], the soonest first, in batches, while time is left.

    Args:
        more: further conditions.
    """
    running = Subscription.objects.filter(
        state=Subscription.State.ACTIVE, delivered_at__isnull=False, ends_at__lte=end, **more
    ).order_by("ends_at", "pk")
    page = running.filter(ends_at__gt=start)
    while may_continue():
        found = list(page[:BATCH])
        attach_related(found, ("user", "plan__platform"))
        if found:
            yield found
        if len(found) < BATCH:
            return
        last = found[-1]
        page = running.filter(Q(ends_at__gt=last.ends_at) | Q(ends_at=last.ends_at, pk__gt=last.pk))


def _remind(ids: list[ObjectId], kind: str, to_days: int) -> None:
    now = clock.now()
    found = [
        item
        for item in Subscription.objects.filter(pk__in=ids)
        if item.delivered_at is not None and item.is_running(now)
    ]
    attach_related(found, ("user", "plan__platform"))
    known = _known(found)
    reminders = []
    for item in found:
        told = known[item.pk, item.ends_at]
        renews = item.auto_renew and item.plan_is_sold and Reminder.Kind.NOT_RENEWED not in told
        if renews and kind != Reminder.Kind.DAYS_1:
            if Reminder.Kind.RENEWAL not in told:
                reminders.append(_announced(item))
            continue
        # On the last day it is too late to announce anything; who agreed before need not be told.
        agreed = renews and told & {Reminder.Kind.RENEWAL, Reminder.Kind.CONSENT}
        # Who bought fewer days than that knows when they end.
        if not agreed and kind not in told and item.days_total > to_days:
            reminders.append(_ends_soon(item, kind))
    _write(reminders)


def set_auto_renew(
    *, subscription: Subscription, user: Any, is_on: bool, shown_paise: int = 0
) -> None:
    """Switch the automatic renewal on or off, as its owner wants.

    Switching on is consent to the price that the page showed, for the present end.

    Args:
        shown_paise: the price that the page showed; only for switching on.

    Raises:
        AutoRenewRefused: it has ended, its plan is not sold, or its price is another by now.
    """
    if subscription.user_id != user.pk:
        raise AutoRenewRefused(_("This plan is not yours."))

    def work() -> None:
        fresh = Subscription.objects.select_related("plan__platform", "user").get(
            pk=subscription.pk
        )
        if not fresh.is_running():
            raise AutoRenewRefused(_("This plan has ended. Buy it again."))
        if is_on:
            _agree(fresh, shown_paise)
        Subscription.objects.filter(pk=fresh.pk).update(auto_renew=is_on)

    # The second click of the same form may meet the consent of the first.
    with suppress(IntegrityError):
        in_transaction(work)


def _agree(fresh: Subscription, shown_paise: int) -> None:
    plan = fresh.plan
    if not fresh.plan_is_sold:
        raise AutoRenewRefused(_("This plan is not sold any more, so it cannot renew."))
    if plan.price_paise != shown_paise:
        raise AutoRenewRefused(_("The price of this plan has changed. Please look again."))
    agreed = {"amount_paise": plan.price_paise, "days": plan.duration_days}
    mine = Reminder.objects.filter(
        subscription_id=fresh.pk, kind=Reminder.Kind.CONSENT, ends_at=fresh.ends_at
    )
    # It is what the customer did: nobody has to be told.
    if not mine.update(**agreed):
        Reminder.objects.create(
            subscription=fresh,
            user_id=fresh.user_id,
            kind=Reminder.Kind.CONSENT,
            ends_at=fresh.ends_at,
            **agreed,
        )


def _known(items: list[Subscription]) -> dict[tuple[Any, datetime], set[str]]:
    """Return the kinds that were written for the present end of each, in one command."""
    known: dict[tuple[Any, datetime], set[str]] = defaultdict(set)
    rows = Reminder.objects.filter(subscription_id__in=[item.pk for item in items])
    for subscription_id, ends_at, kind in rows.values_list("subscription_id", "ends_at", "kind"):
        known[subscription_id, ends_at].add(kind)
    return known


def write_reminder(
    *, subscription: Subscription, kind: str, title: str, body: str, **fields: Any
) -> bool:
    """Write one reminder with its notice; say False when it was there already."""
    reminder = make_reminder(subscription, kind, title, body, **fields)
    try:
        in_transaction(partial(_write, [reminder]))
    except IntegrityError:
        return False
    return True


def make_reminder(
    subscription: Subscription, kind: str, title: str, body: str, **fields: Any
) -> Reminder:
    """Return a reminder about the present end that is not saved yet."""
    channels = channels_for(subscription.user)
    return Reminder(
        subscription=subscription,
        user_id=subscription.user_id,
        kind=kind,
        ends_at=subscription.ends_at,
        title=Truncator(title).chars(120),
        body=body,
        channels=channels,
        state=Reminder.State.PENDING if channels else Reminder.State.DONE,
        **fields,
    )


def _write(reminders: list[Reminder]) -> None:
    if reminders:
        Reminder.objects.bulk_create(reminders)
        reminders_written.send(sender=Reminder, reminders=reminders)


def _ended(item: Subscription) -> Reminder:
    body = _("Thank you for watching. You can buy it again at any time.")
    if item.auto_renew:
        body = _("It was not renewed and nothing was taken. You can buy it again at any time.")
    return make_reminder(item, Reminder.Kind.ENDED, _("%s has ended") % item, body)


def _ends_soon(item: Subscription, kind: str) -> Reminder:
    title = _("%(plan)s ends on %(day)s") % {"plan": item, "day": day_of(item.ends_at)}
    body = _("Renew it before then to keep your login.")
    return make_reminder(item, kind, title, body)


def _announced(item: Subscription) -> Reminder:
    price = format_rupees(item.plan.price_paise)
    title = _("%(plan)s renews for %(price)s") % {"plan": item, "price": price}
    body = _(
        "It ends on %(end)s. From %(day)s on, %(price)s is taken from your wallet for %(days)d "
        "more days. You can switch this off on the page of the plan."
    ) % {
        "end": day_of(item.ends_at),
        "day": day_of(item.ends_at - FIRST_TRY_DAYS * DAY),
        "price": price,
        "days": item.plan.duration_days,
    }
    return make_reminder(
        item,
        Reminder.Kind.RENEWAL,
        title,
        body,
        amount_paise=item.plan.price_paise,
        days=item.plan.duration_days,
    )


def day_of(moment: datetime) -> str:
    """Return the day by the shop's clock, as customers read it."""
    return date_format(timezone.localtime(moment), "j M Y")


def _batches(ids: list[ObjectId]) -> Iterator[list[ObjectId]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
