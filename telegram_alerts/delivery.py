"""Delivery of the outbox: leased claims, one Bot for a batch, at least once.

A reply lost after Telegram took the message means that it is sent again: an operator may read an
alert twice, and never misses one.
"""

import asyncio
import logging
import random
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from telegram import Bot
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.request import HTTPXRequest

from ottsonly.audit import record_event
from ottsonly.jobs import may_continue
from ottsonly.mongo import in_transaction
from telegram_alerts.models import Alert

logger = logging.getLogger(__name__)

BATCH = 20
# Of one message in all, whatever its connection does meanwhile.
TIMEOUT_SECONDS = 8.0
# Outlasts the longest batch: BATCH messages of TIMEOUT_SECONDS are 160 seconds.
LEASE_SECONDS = 300
# With pauses that grow to an hour, the last attempt is about a day after the first.
MOST_ATTEMPTS = 34
LONGEST_PAUSE_SECONDS = 3600
# How long the outbox rests when Telegram does not answer, and when it refuses bot or chat.
SILENCE_PAUSE_SECONDS = 30
REFUSAL_PAUSE_SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: how many were claimed, how many of those Telegram took."""

    claimed: int = 0
    sent: int = 0
    paused: bool = False


class OutboxPaused(Exception):
    """Nothing more can be sent for `seconds`: it is not this alert's fault."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


def is_configured() -> bool:
    """Tell whether alerts can be sent at all; without a bot they are kept."""
    return bool(settings.TELEGRAM_BOT_TOKEN and settings.TELEGRAM_CHAT_ID)


def deliver_due() -> None:
    """Send batch after batch until nothing is due, Telegram wants us to wait, or time is up."""
    while may_continue():
        outcome = deliver_batch()
        if not outcome.claimed or outcome.paused:
            return


def deliver_batch(*, limit: int = BATCH) -> Outcome:
    """Claim what is due and send it; without a token everything is kept as it is."""
    if not is_configured():
        return Outcome()
    alerts = claim_batch(limit=limit)
    if not alerts:
        return Outcome()
    # A Runner keeps one loop, and with it one Bot and its connection, for the batch, while the
    # documents are written between its runs by this thread and its own database connection.
    with asyncio.Runner() as runner:
        request = HTTPXRequest(read_timeout=TIMEOUT_SECONDS, connect_timeout=TIMEOUT_SECONDS)
        bot = Bot(
            settings.TELEGRAM_BOT_TOKEN,
            base_url=settings.TELEGRAM_BASE_URL,
            request=request,
            get_updates_request=request,
        )
        runner.run(request.initialize())
        try:
            return _send_all(runner, bot, alerts)
        finally:
            runner.run(request.shutdown())


def claim_batch(*, limit: int = BATCH) -> list[Alert]:
    """Claim up to `limit` due alerts by conditional updates; nobody else gets them in the lease."""
    now = timezone.now()
    due = _free(now).filter(state=Alert.State.PENDING, next_attempt_at__lte=now)
    me = secrets.token_hex(8)
    lease = now + timedelta(seconds=LEASE_SECONDS)
    claimed = []
    for alert in due.order_by("next_attempt_at")[:limit]:
        won = Alert.objects.filter(
            pk=alert.pk,
            state=Alert.State.PENDING,
            claimed_until=alert.claimed_until,
            next_attempt_at=alert.next_attempt_at,
        ).update(claimed_until=lease, claimed_by=me)
        if won == 1:
            alert.claimed_by = me
            claimed.append(alert)
    return claimed


def send_again(*, alert: Alert, actor: Any) -> bool:
    """Make an alert due now with all its attempts; return False for one sent or being sent."""

    def work() -> bool:
        now = timezone.now()
        moved = (
            _free(now)
            .filter(pk=alert.pk)
            .exclude(state=Alert.State.SENT)
            .update(state=Alert.State.PENDING, attempts=0, next_attempt_at=now, claimed_until=None)
        )
        if moved == 1:
            record_event(
                actor=actor,
                action="alert.send_again",
                target=alert,
                before={"state": alert.state, "attempts": alert.attempts},
            )
        return moved == 1

    return in_transaction(work)


def _send_all(runner: asyncio.Runner, bot: Bot, alerts: list[Alert]) -> Outcome:
    sent = 0
    for alert in alerts:
        try:
            runner.run(_send(bot, alert.text))
        except OutboxPaused as pause:
            _pause(alert, pause)
            return Outcome(claimed=len(alerts), sent=sent, paused=True)
        except TelegramError as error:
            # BadRequest is a NetworkError too, but it is about this message and stays so.
            _failed(alert, error, for_good=isinstance(error, BadRequest))
        else:
            _sent(alert)
            sent += 1
    return Outcome(claimed=len(alerts), sent=sent)


async def _send(bot: Bot, text: str) -> None:
    """Send one message within TIMEOUT_SECONDS.

    Raises:
        OutboxPaused: Telegram wants us to wait, refuses bot or chat, or does not answer.
        TelegramError: anything about this message or this moment.
    """
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await bot.send_message(settings.TELEGRAM_CHAT_ID, text, parse_mode=ParseMode.HTML)
    except RetryAfter as error:
        seconds = error.retry_after
        # An int in this version, a timedelta in the ones to come.
        rest = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        raise OutboxPaused(rest + 1, "Telegram asks to wait") from error
    except (InvalidToken, Forbidden, ChatMigrated) as error:
        raise OutboxPaused(REFUSAL_PAUSE_SECONDS, _described(error)) from error
    except BadRequest as error:
        if "chat not found" in error.message.lower():
            raise OutboxPaused(REFUSAL_PAUSE_SECONDS, _described(error)) from error
        raise
    except (TimeoutError, TimedOut) as error:
        raise OutboxPaused(SILENCE_PAUSE_SECONDS, "Telegram does not answer") from error


def _free(now: datetime) -> QuerySet[Alert]:
    return Alert.objects.filter(Q(claimed_until__isnull=True) | Q(claimed_until__lte=now))


def _mine(alert: Alert) -> QuerySet[Alert]:
    return Alert.objects.filter(pk=alert.pk, claimed_by=alert.claimed_by, state=Alert.State.PENDING)


def _sent(alert: Alert) -> None:
    _mine(alert).update(
        state=Alert.State.SENT, sent_at=timezone.now(), attempts=F("attempts") + 1, last_error=""
    )


def _pause(alert: Alert, pause: OutboxPaused) -> None:
    """Let all that is due wait, also for other workers; no attempt is counted."""
    now = timezone.now()
    later = now + timedelta(seconds=pause.seconds)
    free_or_mine = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    free_or_mine |= Q(claimed_by=alert.claimed_by)
    Alert.objects.filter(free_or_mine, state=Alert.State.PENDING, next_attempt_at__lt=later).update(
        claimed_until=None, next_attempt_at=later, last_error=str(pause)[:200]
    )
    logger.warning("alerts wait %d seconds: %s", pause.seconds, pause)


def _failed(alert: Alert, error: TelegramError, *, for_good: bool) -> None:
    attempts = alert.attempts + 1
    pause = min(LONGEST_PAUSE_SECONDS, 2**attempts) * random.uniform(0.5, 1.5)  # noqa: S311
    over = for_good or attempts >= MOST_ATTEMPTS
    _mine(alert).update(
        state=Alert.State.FAILED if over else Alert.State.PENDING,
        attempts=attempts,
        claimed_until=None,
        next_attempt_at=timezone.now() + timedelta(seconds=pause),
        last_error=_described(error)[:200],
    )
    logger.warning("alert %s not delivered: %s", alert.pk, _described(error))


def _described(error: TelegramError) -> str:
    """Name an error without the token: some of the library's sentences contain it."""
    sentence = f"{type(error).__name__}: {error.message}"
    token = settings.TELEGRAM_BOT_TOKEN
    return sentence.replace(token, "***") if token else sentence
