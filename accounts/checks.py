"""System checks of the log-in and of the address that its links lead to."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


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


@register(Tags.security)
def check_site_url(**kwargs: Any) -> list[CheckMessage]:
    """Refuse enrolment links and messages that lead nowhere, or in plain text, outside DEBUG."""
    if settings.DEBUG:
        return []
    address = urlsplit(settings.SITE_URL)
    if not settings.SITE_URL_IS_SET or not address.hostname:
        return [
            Error(
                "SITE_URL is not set, but DEBUG is off.",
                hint="Set SITE_URL to the address of the shop, such as https://shop.example.",
                id="accounts.E002",
            )
        ]
    if address.scheme != "https" and address.hostname not in LOCAL_HOSTS:
        return [
            Error(
                f"SITE_URL is {settings.SITE_URL}, which is not https.",
                hint="Links of enrolment would travel in plain text: write https://.",
                id="accounts.E003",
            )
        ]
    return []


@register(Tags.security)
def check_sms_backend(**kwargs: Any) -> list[CheckMessage]:
    """Refuse codes in the log outside DEBUG: whoever reads it could log in as anybody."""
    if settings.SMS_BACKEND == "accounts.sms.ConsoleSms" and not settings.DEBUG:
        return [
            Error(
                "SMS_BACKEND is ConsoleSms, but DEBUG is off.",
                hint="Log-in codes would stand in the log and reach nobody: set a real gateway.",
                id="accounts.E004",
            )
        ]
    return []
