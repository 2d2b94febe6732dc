"""Refuses a configuration of chats that would silently lose alerts."""

from typing import Any

from django.conf import settings
from django.core import checks

from telegram_alerts.chats import EVERYTHING
from telegram_alerts.models import Alert


def check_chats(**kwargs: Any) -> list[checks.CheckMessage]:
    """Name each kind in TELEGRAM_CHATS that does not exist."""
    known = {EVERYTHING, *Alert.Kind.values}
    return [
        checks.Error(
            f"TELEGRAM_CHATS names the unknown kind {kind!r} for chat {chat}.",
            hint=f"Kinds are: {', '.join(Alert.Kind.values)}, or * for all.",
            id="telegram_alerts.E001",
        )
        for chat, kinds in settings.TELEGRAM_CHATS.items()
        for kind in kinds
        if kind not in known
    ]
