"""Delivery of the outbox: leased claims, one Bot for a batch, at least once.

A reply lost after Telegram took the message means that it is sent again: an operator may read an
alert twice, and never misses one.
"""

import asyncio
import logging
import random
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
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
from ottsonly.jobs import may_continue, stopping
from ottsonly.mongo import in_transaction
from telegram_alerts.chats import chats, chats_for
from telegram_alerts.models import Alert, DeliveryPause

logger = logging.getLogger(__name__)

BATCH = 30
# Messages on their way at the same time; as many may arrive twice when the process is killed.
AT_ONCE = 4
# Of one message in all, whatever its connection does meanwhile.
TIMEOUT_SECONDS = 8.0
# Outlasts the longest batch: BATCH messages of TIMEOUT_SECONDS are 240 seconds.
LEASE_SECONDS = 300
# With pauses that grow to an hour, the last attempt is about a day after the first.
MOST_ATTEMPTS = 34
LONGEST_PAUSE_SECONDS = 3600
# How long the outbox rests when Telegram does not answer.
SILENCE_PAUSE_SECONDS = 30
# The first rest after bot or chat was refused; each further one is twice as long, up to an hour.
REFUSAL_PAUSE_SECONDS = 300
UNKNOWN_CHAT = "This chat is not in TELEGRAM_CHATS or TELEGRAM_CHAT_ID (any more)."


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: how many were claimed, how many of those Telegram took.

    `paused` says that nothing more can be sent to any chat for now.
    """

    claimed: int = 0
    sent: int = 0
    paused: bool = False


class OutboxPaused(Exception):
    """Nothing more can be sent for a while: it is not this alert's fault.

    Args:
        seconds: for how long.
        reason: a sentence for the console.
        chat: the chat that is refused; DeliveryPause.BOT when no chat can be reached.
        grows: each such pause in a row is longer than the one before.
    """

    def __init__(
        self, seconds: float, reason: str, *, chat: str = DeliveryPause.BOT, grows: bool = False
    ) -> None:
        super().__init__(reason)
        self.seconds, self.chat, self.grows = seconds, chat, grows


def is_configured() -> bool:
    """Tell whether alerts can be sent at all; without a bot they are kept."""
    return bool(settings.TELEGRAM_BOT_TOKEN and chats())


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
    pauses = DeliveryPause.objects.in_bulk()
    now = timezone.now()
    held_up = {chat for chat, pause in pauses.items() if pause.until > now}
    if DeliveryPause.BOT in held_up:
        return Outcome(paused=True)
    alerts = claim_batch(limit=limit, without=held_up)
    if not alerts:
        return Outcome()
    # A Runner keeps one loop, and with it one Bot and its connection, for the batch, while the
    # documents are written between its runs by this thread and its own database connection.
    with asyncio.Runner() as runner:
        bot = make_bot()
        runner.run(bot.request.initialize())
        try:
            return _send_all(runner, bot, alerts, pauses)
        finally:
            runner.run(bot.request.shutdown())


def make_bot(token: str = "") -> Bot:
    """Return a Bot whose every call ends in time; it belongs to one event loop."""
    request = HTTPXRequest(read_timeout=TIMEOUT_SECONDS, connect_timeout=TIMEOUT_SECONDS)
    return Bot(
        token or settings.TELEGRAM_BOT_TOKEN,
        base_url=settings.TELEGRAM_BASE_URL,
        request=request,
        get_updates_request=request,
    )


def claim_batch(*, limit: int = BATCH, without: set[str] | frozenset[str] = frozenset()) -> list:
    """Claim up to `limit` due alerts; nobody else gets them in the lease.

    One conditional update claims them all: each document is taken only if it is still free when
    the update comes to it.

    Args:
        without: chats that nothing can be sent to just now.
    """
    now = timezone.now()
    wanted: list[Any] = []
    for chat in ["", *chats()]:
        if chat in without or len(wanted) == limit:
            continue
        # Chat by chat, so that a queue of one that is held up is not even looked at.
        due = _due(now).filter(chat=chat).order_by("next_attempt_at").values_list("pk", "kind")
        found = due[: limit - len(wanted)]
        wanted += [pk for pk, kind in found if chat or _first_chat(kind) not in without]
    if not wanted:
        return []
    me = secrets.token_hex(8)
    lease = now + timedelta(seconds=LEASE_SECONDS)
    _due(now).filter(pk__in=wanted).update(claimed_until=lease, claimed_by=me)
    mine = Alert.objects.filter(pk__in=wanted, claimed_by=me, state=Alert.State.PENDING)
    return list(mine.order_by("next_attempt_at"))


def send_again(*, alert: Alert, actor: Any) -> bool:
    """Make an alert due now with all its attempts; return False for one sent or being sent."""

    def work() -> bool:
        now = timezone.now()
        moved = (
            _free(now)
            .filter(pk=alert.pk, state__in=[Alert.State.PENDING, Alert.State.FAILED])
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


def resume(*, actor: Any) -> int:
    """Forget all pauses, for an operator who has mended what was wrong; return how many."""

    def work() -> int:
        found = list(DeliveryPause.objects.all())
        DeliveryPause.objects.filter(pk__in=[pause.pk for pause in found]).delete()
        if found:
            reasons = {pause.chat: pause.reason for pause in found}
            record_event(actor=actor, action="alerts.resume", target=None, before=reasons)
        return len(found)

    return in_transaction(work)


def retire_unknown_chats() -> int:
    """Fail what waits for a chat that is not configured any more; return how many."""
    if not is_configured():
        return 0
    waiting = Alert.objects.filter(state__in=[Alert.State.PENDING, Alert.State.HELD])
    return waiting.exclude(chat__in=["", *chats()]).update(
        state=Alert.State.FAILED, last_error=UNKNOWN_CHAT
    )


def _send_all(
    runner: asyncio.Runner, bot: Bot, alerts: list[Alert], pauses: dict[str, DeliveryPause]
) -> Outcome:
    """Send the first alone, to find out at the price of one request whether anything is wrong."""
    sent = 0
    held_up: set[str] = set()
    rest, width = alerts, 1
    while rest and not stopping():
        now, rest = rest[:width], rest[width:]
        chats_of = {alert.pk: alert.chat or _first_chat(alert.kind) for alert in now}
        _release([alert for alert in now if chats_of[alert.pk] in held_up])
        now = [alert for alert in now if chats_of[alert.pk] not in held_up]
        errors = runner.run(_send_some(bot, [(chats_of[alert.pk], alert.text) for alert in now]))
        good = [alert for alert, error in zip(now, errors, strict=True) if error is None]
        _sent(good)
        sent += len(good)
        width = AT_ONCE if good else 1
        for mended in {chats_of[alert.pk] for alert in good} | (
            {DeliveryPause.BOT} if good else set()
        ):
            if pauses.pop(mended, None) is not None:
                DeliveryPause.objects.filter(pk=mended).delete()
        for alert, error in zip(now, errors, strict=True):
            if isinstance(error, OutboxPaused):
                _release([alert])
                if error.chat not in held_up:
                    held_up.add(error.chat)
                    _pause(error, pauses)
            elif error is not None:
                # BadRequest is a NetworkError too, but it is about this message and stays so.
                _failed(alert, error, for_good=isinstance(error, BadRequest))
        if DeliveryPause.BOT in held_up:
            break
    _release(rest)
    paused = DeliveryPause.BOT in held_up
    return Outcome(claimed=len(alerts), sent=sent, paused=paused)


async def _send_some(
    bot: Bot, messages: list[tuple[str, str]]
) -> list[OutboxPaused | TelegramError | None]:
    """Send at once; return for each what went wrong, or None."""

    async def tried(chat: str, text: str) -> OutboxPaused | TelegramError | None:
        try:
            await _send(bot, chat, text)
        except (OutboxPaused, TelegramError) as error:
            return error
        return None

    return await asyncio.gather(*(tried(chat, text) for chat, text in messages))


async def _send(bot: Bot, chat: str, text: str) -> None:
    """Send one message within TIMEOUT_SECONDS.

    Raises:
        OutboxPaused: Telegram wants us to wait, refuses bot or chat, or does not answer.
        TelegramError: anything about this message or this moment.
    """
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await bot.send_message(chat, text, parse_mode=ParseMode.HTML)
    except RetryAfter as error:
        seconds = error.retry_after
        # A timedelta as settings ask for it; an int if somebody's environment says otherwise.
        rest = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        raise OutboxPaused(rest + 1, "Telegram asks to wait") from error
    except InvalidToken as error:
        reason = f"TELEGRAM_BOT_TOKEN is refused ({described(error)})"
        raise OutboxPaused(REFUSAL_PAUSE_SECONDS, reason, grows=True) from error
    except (Forbidden, ChatMigrated) as error:
        raise _chat_refused(chat, error) from error
    except BadRequest as error:
        if "chat not found" in error.message.lower():
            raise _chat_refused(chat, error) from error
        raise
    except (TimeoutError, TimedOut) as error:
        raise OutboxPaused(SILENCE_PAUSE_SECONDS, "Telegram does not answer") from error


def _chat_refused(chat: str, error: TelegramError) -> OutboxPaused:
    reason = f"Chat {chat} is refused ({described(error)})"
    return OutboxPaused(REFUSAL_PAUSE_SECONDS, reason, chat=chat, grows=True)


def _first_chat(kind: str) -> str:
    """Return where an alert goes that was written before any chat was configured."""
    return next(iter(chats_for(kind)), "") or next(iter(chats()), "")


def _free(now: datetime) -> QuerySet[Alert]:
    return Alert.objects.filter(Q(claimed_until__isnull=True) | Q(claimed_until__lte=now))


def _due(now: datetime) -> QuerySet[Alert]:
    return _free(now).filter(state=Alert.State.PENDING, next_attempt_at__lte=now)


def _mine(alerts: list[Alert]) -> QuerySet[Alert]:
    """Those of one batch whose claim nobody took over."""
    return Alert.objects.filter(
        pk__in=[alert.pk for alert in alerts],
        claimed_by__in={alert.claimed_by for alert in alerts},
        state=Alert.State.PENDING,
    )


def _sent(alerts: list[Alert]) -> None:
    if alerts:
        _mine(alerts).update(
            state=Alert.State.SENT,
            sent_at=timezone.now(),
            attempts=F("attempts") + 1,
            last_error="",
        )


def _release(alerts: list[Alert]) -> None:
    """Give claims back; no attempt is counted."""
    if alerts:
        _mine(alerts).update(claimed_until=None)


def _pause(pause: OutboxPaused, pauses: dict[str, DeliveryPause]) -> None:
    """Let a chat, or all, wait, also for other workers and for alerts still to come."""
    before = pauses.get(pause.chat)
    failures = (before.failures if before is not None else 0) + 1 if pause.grows else 0
    seconds = pause.seconds
    if pause.grows:
        seconds = min(LONGEST_PAUSE_SECONDS, pause.seconds * 2 ** (failures - 1))
    values = {
        "until": timezone.now() + timedelta(seconds=seconds),
        "reason": str(pause)[:200],
        "failures": failures,
    }
    if not DeliveryPause.objects.filter(pk=pause.chat).update(**values):
        # Another worker may meet the same wall at the same moment.
        with suppress(IntegrityError):
            DeliveryPause(chat=pause.chat, **values).save(force_insert=True)
    logger.warning("alerts wait %d seconds: %s", seconds, pause)


def _failed(alert: Alert, error: TelegramError, *, for_good: bool) -> None:
    attempts = alert.attempts + 1
    over = for_good or attempts >= MOST_ATTEMPTS
    _mine([alert]).update(
        state=Alert.State.FAILED if over else Alert.State.PENDING,
        attempts=attempts,
        claimed_until=None,
        next_attempt_at=timezone.now() + timedelta(seconds=_rest(attempts)),
        last_error=described(error)[:200],
    )
    logger.warning("alert %s not delivered: %s", alert.pk, described(error))


def _rest(attempts: int) -> float:
    """Return how long a message waits after so many attempts; spread, so that few meet again."""
    return min(LONGEST_PAUSE_SECONDS, 2**attempts) * random.uniform(0.5, 1.5)  # noqa: S311


def described(error: TelegramError) -> str:
    """Name an error without the token: some of the library's sentences contain it."""
    sentence = f"{type(error).__name__}: {error.message}"
    token = settings.TELEGRAM_BOT_TOKEN
    return sentence.replace(token, "***") if token else sentence
