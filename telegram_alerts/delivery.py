"""Delivery of the outbox: leased claims, one Bot for a batch, at least once."""

import asyncio
import logging
import random
import secrets
from datetime import timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone
from telegram import Bot
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from telegram_alerts.models import Alert

logger = logging.getLogger(__name__)

BATCH = 20
# Must outlast the longest batch: BATCH messages at TIMEOUT_SECONDS each.
LEASE_SECONDS = 300
TIMEOUT_SECONDS = 8.0
MOST_ATTEMPTS = 12
LONGEST_PAUSE_SECONDS = 3600


def deliver_alerts(*, limit: int = BATCH) -> int:
    """Send what is due and return how many were sent; without a token everything is kept."""
    if not (settings.TELEGRAM_BOT_TOKEN and settings.TELEGRAM_CHAT_ID):
        return 0
    claimed = claim_batch(limit=limit)
    return asyncio.run(_send_all(claimed)) if claimed else 0


def claim_batch(*, limit: int = BATCH) -> list[Alert]:
    """Claim up to `limit` due alerts by conditional updates; nobody else gets them in the lease."""
    now = timezone.now()
    free = Q(claimed_until__isnull=True) | Q(claimed_until__lte=now)
    due = Alert.objects.filter(free, state=Alert.State.PENDING, next_attempt_at__lte=now)
    me = secrets.token_hex(8)
    claimed = []
    for alert in due.order_by("next_attempt_at")[:limit]:
        lease = now + timedelta(seconds=LEASE_SECONDS)
        won = Alert.objects.filter(
            pk=alert.pk, state=Alert.State.PENDING, claimed_until=alert.claimed_until
        ).update(claimed_until=lease, claimed_by=me)
        if won == 1:
            alert.claimed_by = me
            claimed.append(alert)
    return claimed


async def _send_all(alerts: list[Alert]) -> int:
    request = HTTPXRequest(
        connect_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
        write_timeout=TIMEOUT_SECONDS,
        pool_timeout=TIMEOUT_SECONDS,
    )
    bot = Bot(settings.TELEGRAM_BOT_TOKEN, base_url=settings.TELEGRAM_BASE_URL, request=request)
    sent = 0
    async with request:
        for position, alert in enumerate(alerts):
            try:
                await bot.send_message(
                    settings.TELEGRAM_CHAT_ID, alert.text, parse_mode=ParseMode.HTML
                )
            except RetryAfter as pause:
                seconds = getattr(
                    pause.retry_after, "total_seconds", lambda p=pause: p.retry_after
                )()
                for rest in alerts[position:]:
                    await asyncio.to_thread(_give_back, rest, int(seconds) + 1)
                break
            except (BadRequest, Forbidden, InvalidToken) as error:
                await asyncio.to_thread(_failed, alert, error, True)
            except TelegramError as error:
                await asyncio.to_thread(_failed, alert, error, False)
            else:
                await asyncio.to_thread(_sent, alert)
                sent += 1
    return sent


def _mine(alert: Alert):  # noqa: ANN202 (a queryset)
    return Alert.objects.filter(pk=alert.pk, claimed_by=alert.claimed_by)


def _sent(alert: Alert) -> None:
    _mine(alert).update(
        state=Alert.State.SENT, sent_at=timezone.now(), attempts=F("attempts") + 1, last_error=""
    )


def _give_back(alert: Alert, seconds: int) -> None:
    later = timezone.now() + timedelta(seconds=seconds)
    _mine(alert).update(claimed_until=None, next_attempt_at=later)


def _failed(alert: Alert, error: TelegramError, for_good: bool) -> None:
    attempts = alert.attempts + 1
    pause = min(LONGEST_PAUSE_SECONDS, 2**attempts) * random.uniform(0.5, 1.5)  # noqa: S311
    over = for_good or attempts >= MOST_ATTEMPTS
    _mine(alert).update(
        state=Alert.State.FAILED if over else Alert.State.PENDING,
        attempts=attempts,
        claimed_until=None,
        next_attempt_at=timezone.now() + timedelta(seconds=pause),
        last_error=type(error).__name__,
    )
    logger.warning("alert %s not delivered: %s", alert.pk, type(error).__name__)
