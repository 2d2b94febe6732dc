"""One notice for many customers: who gets it, and sending it batch by batch.

Customers are looked at in the order of their keys, one batch at a time: a batch is one transaction
that writes its notices and moves the cursor, so a kill or a second worker neither doubles nor
skips anybody. What is previewed is found by the same reads as what is sent.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import User
from catalog.models import Plan
from notifications.errors import BroadcastRefused
from notifications.models import Broadcast, Notification
from orders.models import Order
from ottsonly import clock, jobs
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction
from ottsonly.states import sources
from subscriptions.models import BEGINNING, Subscription

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
COUNTING_SECONDS = 2.0
# What an operator writes and chooses; the rest is the shop's own.
CHOSEN = ("title", "body", "link", "audience", "customer_id", "platform_id", "days")


def _said(broadcast: Broadcast) -> dict[str, Any]:
    """Return what an operator chose, as plain values for the trace."""
    values = {name: getattr(broadcast, name) for name in CHOSEN}
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def fingerprint(broadcast: Broadcast) -> str:
    """Return a short text that is another one when what is said, or to whom, is changed."""
    values = json.dumps(_said(broadcast), sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:16]


def create_broadcast(*, broadcast: Broadcast, actor: Any) -> None:
    """Store a new draft."""

    def work() -> None:
        broadcast.actor_id = actor.pk
        broadcast.save(force_insert=True)
        record_event(
            actor=actor, action="broadcast.create", target=broadcast, after=_said(broadcast)
        )

    in_transaction(work)


def edit_broadcast(*, broadcast: Broadcast, actor: Any) -> None:
    """Store what was changed of a draft.

    Raises:
        BroadcastRefused: it is not a draft any more.
    """

    def work() -> None:
        before = Broadcast.objects.get(pk=broadcast.pk)
        edited = Broadcast.objects.filter(pk=broadcast.pk, state=Broadcast.State.DRAFT).update(
            **{name: getattr(broadcast, name) for name in CHOSEN}
        )
        if edited != 1:
            raise BroadcastRefused(_("It is sent already: write a new one."))
        record_event(
            actor=actor,
            action="broadcast.edit",
            target=broadcast,
            before=_said(before),
            after=_said(broadcast),
        )

    in_transaction(work)


def start_broadcast(*, broadcast: Broadcast, actor: Any, expected_count: int | None) -> None:
    """Let the worker send a draft as it was looked at; started twice is started once.

    Args:
        broadcast: as the operator saw it.
        expected_count: what the preview counted; None where it stopped counting.

    Raises:
        BroadcastRefused: it was stopped, or somebody changed it since.
    """
    seen = {name: getattr(broadcast, name) for name in CHOSEN}

    def work() -> None:
        started = Broadcast.objects.filter(
            pk=broadcast.pk,
            state__in=sources(Broadcast.TRANSITIONS, Broadcast.State.SENDING),
            **seen,
        ).update(
            state=Broadcast.State.SENDING, started_at=clock.now(), expected_count=expected_count
        )
        if started == 1:
            record_event(
                actor=actor,
                action="broadcast.send",
                target=broadcast,
                after={"audience": broadcast.audience, "expected": expected_count},
            )
            return
        state = Broadcast.objects.get(pk=broadcast.pk).state
        if state == Broadcast.State.STOPPED:
            raise BroadcastRefused(_("This notice was stopped. Write a new one."))
        if state == Broadcast.State.DRAFT:
            raise BroadcastRefused(_("Somebody changed this notice just now. Look at it again."))

    in_transaction(work)


def stop_broadcast(*, broadcast: Broadcast, actor: Any) -> None:
    """Stop sending; who has the notice keeps it.

    Raises:
        BroadcastRefused: it is not being sent.
    """

    def work() -> None:
        stopped = Broadcast.objects.filter(
            pk=broadcast.pk,
            state__in=sources(Broadcast.TRANSITIONS, Broadcast.State.STOPPED),
        ).update(state=Broadcast.State.STOPPED, finished_at=clock.now())
        if stopped != 1:
            raise BroadcastRefused(_("This notice is not being sent."))
        sent = Broadcast.objects.values_list("sent_count", flat=True).get(pk=broadcast.pk)
        record_event(actor=actor, action="broadcast.stop", target=broadcast, after={"sent": sent})

    in_transaction(work)


def count_audience(broadcast: Broadcast, *, seconds: float = COUNTING_SECONDS) -> tuple[int, bool]:
    """Return how many customers would get it now, and whether all were counted in the time."""
    ends_at = time.monotonic() + seconds
    count = 0
    for _cursor, members in _batches(broadcast, clock.now()):
        count += len(members)
        if time.monotonic() > ends_at:
            return count, False
    return count, True


def read_count(broadcast: Broadcast, most: int) -> int:
    """Return how many of its notices were read; `most + 1` for more."""
    read = Notification.objects.filter(broadcast_id=broadcast.pk, read_at__gt=BEGINNING)
    return read.count_up_to(most)


def send_broadcasts() -> None:
    """Send what is being sent, the oldest first, for as long as there is time."""
    waiting = Broadcast.objects.filter(state=Broadcast.State.SENDING).order_by("started_at")
    problem = None
    for broadcast in waiting:
        try:
            if not _send_on(broadcast):
                break
        except Exception as error:
            # The job fails in the end, so that people are told, but those behind it go on.
            logger.exception("broadcast %s could not be sent on", broadcast.pk)
            problem = error
    if problem is not None:
        raise problem


def _send_on(broadcast: Broadcast) -> bool:
    """Send the batches that are left; False when the time was over before."""
    for cursor, members in _batches(broadcast, broadcast.started_at):
        if not _send_batch(broadcast, cursor, members):
            # Stopped, or another worker is at it.
            return True
        broadcast.cursor = cursor
        if not jobs.may_continue():
            return False
    return True


def _batches(broadcast: Broadcast, until: Any) -> Iterator[tuple[str, list[ObjectId]]]:
    """Yield (cursor, customers of the audience) from the cursor on; the last cursor is empty.

    Who registered after `until` is left out.
    """
    if broadcast.audience == Broadcast.Audience.ONE:
        # Disabled, deleted or a member of the staff by now: then nobody is left to tell.
        one = broadcast.customer
        yield "", [one.pk] if one is not None and one.is_customer else []
        return
    cursor = broadcast.cursor
    while True:
        found = list(_customers_after(cursor).values_list("pk", "created_at")[:BATCH_SIZE])
        members = _members(broadcast, [pk for pk, created_at in found if created_at <= until])
        if len(found) < BATCH_SIZE:
            yield "", members
            return
        cursor = str(found[-1][0])
        yield cursor, members


def _customers_after(cursor: str) -> Any:
    """Return the customers behind `cursor` in the order of their keys, along one index.

    A condition on their time would tempt the server to go along another index and sort them all.
    """
    customers = User.objects.filter(role=User.Role.USER, is_active=True)
    if cursor:
        customers = customers.filter(pk__gt=ObjectId(cursor))
    return customers.order_by("pk")


def _members(broadcast: Broadcast, customers: list[ObjectId]) -> list[ObjectId]:
    """Return those of `customers` who belong to the audience, in their order."""
    audiences = Broadcast.Audience
    if broadcast.audience == audiences.ALL:
        return customers
    if broadcast.audience == audiences.NEVER_BOUGHT:
        bought = _owners(Order.objects.filter(user_id__in=customers))
        return [pk for pk in customers if pk not in bought]
    now = clock.now()
    theirs = Subscription.objects.filter(user_id__in=customers)
    running = theirs.running(now)
    if broadcast.audience == audiences.PLATFORM:
        plans = Plan.objects.filter(platform=broadcast.platform)
        running = running.filter(plan_id__in=list(plans.values_list("pk", flat=True)))
    have = _owners(running)
    if broadcast.audience != audiences.EXPIRED:
        return [pk for pk in customers if pk in have]
    since = now - timedelta(days=broadcast.days or 0)
    ended = theirs.filter(ends_at__gte=since, ends_at__lte=now, delivered_at__isnull=False)
    # A cancelled one was refunded or taken away: that customer did not simply let it end.
    had = _owners(ended.exclude(state=Subscription.State.CANCELLED))
    return [pk for pk in customers if pk in had and pk not in have]


def _owners(documents: Any) -> set[ObjectId]:
    return set(documents.order_by().values_list("user_id", flat=True))


def _send_batch(broadcast: Broadcast, cursor: str, members: list[ObjectId]) -> bool:
    """Write one batch and move the cursor; False if somebody else moved it or it was stopped."""

    def work() -> bool:
        now = clock.now()
        moved = Broadcast.objects.filter(
            pk=broadcast.pk, state=Broadcast.State.SENDING, cursor=broadcast.cursor
        ).update(
            cursor=cursor,
            sent_count=F("sent_count") + len(members),
            state=Broadcast.State.SENDING if cursor else Broadcast.State.SENT,
            finished_at=None if cursor else now,
        )
        if moved != 1:
            return False
        Notification.objects.bulk_create(
            [
                Notification(
                    broadcast_id=broadcast.pk,
                    user_id=user_id,
                    kind=Notification.Kind.NOTICE,
                    title=broadcast.title,
                    body=broadcast.body,
                    link=broadcast.link,
                    created_at=now,
                )
                for user_id in members
            ]
        )
        return True

    return in_transaction(work)
