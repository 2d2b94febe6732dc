"""Reminders by SMS and e-mail: sent by the worker, so that no page waits for a gateway.

The Reminder is its own outbox: claimed for a lease, each channel struck off as soon as it is sent.
"""

import logging
import secrets
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q
from django.utils import timezone

from accounts.sms import send_sms_reminder
from ottsonly.jobs import may_continue
from ottsonly.redaction import redact
from subscriptions.models import Reminder

logger = logging.getLogger(__name__)

SMS, EMAIL = "sms", "email"
BATCH = 20
# Outlasts a batch: each message may take the timeouts of both gateways.
LEASE_SECONDS = 600
MOST_ATTEMPTS = 8
LONGEST_PAUSE_SECONDS = 3600
# A reminder that is older says what is not true any more.
OLDEST = timedelta(days=1)


def channels_for(user: Any) -> str:
    """Return what a reminder leaves the shop by for this customer, such as "sms,email"."""
    found = []
    if settings.SMS_REMINDER_TEMPLATE_ID:
        found.append(SMS)
    if settings.EMAIL_HOST and user.email:
        found.append(EMAIL)
    return ",".join(found) if user.is_active else ""


def send_due_messages() -> None:
    """Send what is due, batch after batch; a job of the worker."""
    while may_continue() and (claimed := claim_batch()):
        for reminder in claimed:
            _send(reminder) if may_continue() else _release(reminder)


def claim_batch(*, limit: int = BATCH) -> list[Reminder]:
    """Claim up to `limit` due reminders by one conditional update."""
    now = timezone.now()
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    due = Reminder.objects.filter(free, state=Reminder.State.PENDING, next_attempt_at__lte=now)
    wanted = list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:limit])
    if not wanted:
        return []
    me = secrets.token_hex(8)
    due.filter(pk__in=wanted).update(
        claimed_until=now + timedelta(seconds=LEASE_SECONDS), claimed_by=me
    )
    mine = Reminder.objects.filter(pk__in=wanted, claimed_by=me, state=Reminder.State.PENDING)
    return list(mine.select_related("user"))


def _send(reminder: Reminder) -> None:
    left = [channel for channel in reminder.channels.split(",") if channel]
    error = ""
    if reminder.created_at < timezone.now() - OLDEST:
        _note(reminder, state=Reminder.State.FAILED, last_error="too old to be sent")
        return
    for channel in list(left):
        try:
            _send_by(channel, reminder)
        except Exception as problem:
            # Whatever it is counts as a try: left as it was it would come first again for ever.
            error = redact(f"{channel}: {type(problem).__name__}")
            logger.warning("reminder %s not sent by %s", reminder.pk, error)
        else:
            left.remove(channel)
            # At once: a worker killed between two channels repeats only the second.
            _mine(reminder).update(channels=",".join(left))
    if not left:
        _note(reminder, state=Reminder.State.DONE, last_error="")
        return
    attempts = reminder.attempts + 1
    pause = min(LONGEST_PAUSE_SECONDS, 30 * 2**attempts)
    over = attempts >= MOST_ATTEMPTS
    _note(
        reminder,
        state=Reminder.State.FAILED if over else Reminder.State.PENDING,
        attempts=attempts,
        next_attempt_at=timezone.now() + timedelta(seconds=pause),
        last_error=error[:200],
    )


def _send_by(channel: str, reminder: Reminder) -> None:
    if channel == SMS:
        send_sms_reminder(phone=reminder.user.phone, text=reminder.title)
    elif channel == EMAIL and reminder.user.email:
        address = f"{settings.SITE_URL}/subscriptions/{reminder.subscription_id}/"
        text = f"{reminder.title}\n\n{reminder.body}\n\n{address}\n"
        send_mail(reminder.title, text, None, [reminder.user.email])


def _mine(reminder: Reminder) -> Any:
    return Reminder.objects.filter(
        pk=reminder.pk, claimed_by=reminder.claimed_by, state=Reminder.State.PENDING
    )


def _note(reminder: Reminder, **values: Any) -> None:
    _mine(reminder).update(claimed_until=None, **values)


def _release(reminder: Reminder) -> None:
    _note(reminder)
