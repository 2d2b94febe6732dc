"""The shop set up to talk to the fake Bot API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from telegram_alerts.models import Alert, DeliveryPause
from tests.telegram_alerts.fake_bot_api import CHAT_ID, TOKEN, FakeBotApi


@pytest.fixture
def telegram(settings: Any) -> Iterator[FakeBotApi]:
    """A Bot API of this test's own, with the shop's settings pointing at it."""
    with FakeBotApi() as api:
        settings.TELEGRAM_BOT_TOKEN = TOKEN
        settings.TELEGRAM_CHAT_ID = CHAT_ID
        settings.TELEGRAM_BASE_URL = api.base_url
        yield api


@pytest.fixture
def make_alerts(db: None) -> Callable[[int], list[Alert]]:
    """Return a function that writes alerts "alert 0", "alert 1", ... due now."""

    def make(count: int) -> list[Alert]:
        now = timezone.now()
        return [
            Alert.objects.create(
                kind=Alert.Kind.NEW_ORDER, text=f"alert {number}", next_attempt_at=now
            )
            for number in range(count)
        ]

    return make


@pytest.fixture
def make_due(db: None) -> Callable[[], int]:
    """Return a function that lets the pauses of the outbox and of all waiting alerts pass."""

    def make() -> int:
        DeliveryPause.objects.update(until=timezone.now())
        waiting = Alert.objects.filter(state=Alert.State.PENDING)
        return waiting.update(next_attempt_at=timezone.now(), claimed_until=None)

    return make
