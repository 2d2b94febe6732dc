"""System checks of the log-in."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register


@register(Tags.security)
def check_demo_code(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a fixed log-in code outside DEBUG: it would open every account."""
    if settings.DEMO_LOGIN_CODE and not settings.DEBUG:
        return [
            Error(
                "DEMO_LOGIN_CODE is set, but DEBUG is off.",
                hint="Remove DEMO_LOGIN_CODE: a code known beforehand opens every account.",
                id="accounts.E001",
            )
        ]
    return []
