"""Which chats want which alerts, and when only the urgent ones."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from telegram_alerts.models import Alert

EVERYTHING = "*"
# What can wait until the morning; everything else needs somebody now.
HARMLESS = frozenset(
    {
        Alert.Kind.NEW_ORDER,
        Alert.Kind.PAYMENT,
        Alert.Kind.ACTIVATED,
        Alert.Kind.REFUND,
        Alert.Kind.RECHARGE,
        Alert.Kind.LOW_STOCK,
    }
)


def chats() -> dict[str, list[str]]:
    """Return the kinds that each chat wants; TELEGRAM_CHAT_ID alone wants all."""
    found = dict(settings.TELEGRAM_CHATS)
    if settings.TELEGRAM_CHAT_ID:
        found.setdefault(settings.TELEGRAM_CHAT_ID, [EVERYTHING])
    return found


def chats_for(kind: str) -> list[str]:
    """Return the chats that an alert of this kind goes to; one empty name while there is none."""
    found = chats()
    if not found:
        return [""]
    return [chat for chat, kinds in found.items() if EVERYTHING in kinds or kind in kinds]


def is_quiet(now: datetime | None = None) -> bool:
    """Say whether it is within TELEGRAM_QUIET_HOURS, by the shop's clock."""
    if not settings.TELEGRAM_QUIET_HOURS:
        return False
    start, end = (time.fromisoformat(part) for part in settings.TELEGRAM_QUIET_HOURS)
    local = (now or timezone.now()).astimezone(ZoneInfo(settings.TIME_ZONE)).time()
    if start <= end:
        return start <= local < end
    return local >= start or local < end


def write_alert(*, kind: str, text: str, key: str = "") -> None:
    """Write one document for each chat that wants the kind: a bad chat holds up no other.

    Args:
        text: Telegram's HTML, below its limit (see telegram_alerts.texts).
        key: of what must be written once; then IntegrityError tells that it was.
    """
    held = kind in HARMLESS and is_quiet()
    for chat in chats_for(kind):
        Alert.objects.create(
            kind=kind,
            chat=chat,
            text=text,
            key=f"{key}:{chat}" if key else None,
            state=Alert.State.HELD if held else Alert.State.PENDING,
        )
