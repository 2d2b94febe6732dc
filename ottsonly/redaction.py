"""Keeps secrets and full phones out of logs, error reports and stored error texts."""

import re
from typing import Any

from django.conf import settings

HIDDEN = "***"
# Settings whose values must never be written anywhere; short values would hide ordinary words.
SECRET_SETTINGS = (
    "SECRET_KEY",
    "HASH_KEY",
    "RAZORPAY_KEY_SECRET",
    "RAZORPAY_WEBHOOK_SECRET",
    "TELEGRAM_BOT_TOKEN",
    "MSG91_AUTH_KEY",
    "METRICS_TOKEN",
    "EMAIL_HOST_PASSWORD",
)
SHORTEST_SECRET = 6
# A number in E.164, or ten digits that an Indian mobile can start with; the last three stay.
PHONE = re.compile(
    r"(?<![\w.])(\+91[ -]?\d{2}|\+\d{1,3}[ -]?\d|[6-9]\d)[\d -]{4,10}(\d{3})(?![\w.])"
)
URI_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
# Begun at the first digit only: begun at each, a stranger's address of 8000 digits, which is logged
# when nothing is found there, would hold up the whole process for half a second.
BOT_TOKEN = re.compile(r"(?<!\d)\d{5,}:[\w-]{20,}")


def redact(text: str) -> str:
    """Return `text` without the values of secret settings, log-ins in addresses and full phones."""
    for value in _secrets():
        text = text.replace(value, HIDDEN)
    text = BOT_TOKEN.sub(HIDDEN, URI_LOGIN.sub(f"{HIDDEN}@", text))
    return PHONE.sub(rf"\1{HIDDEN}\2", text)


def _secrets() -> list[str]:
    values: list[Any] = [getattr(settings, name, "") for name in SECRET_SETTINGS]
    values += settings.CREDENTIAL_KEYS
    return [value for value in values if isinstance(value, str) and len(value) >= SHORTEST_SECRET]
