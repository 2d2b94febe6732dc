"""One-time codes: sent to a phone for one purpose, tried a few times, used once."""

import hmac
import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import (
    CodeExpired,
    CodeLocked,
    CodeTooSoon,
    SmsError,
    TooManyCodes,
    WrongCode,
)
from accounts.models import OneTimeCode
from accounts.phones import is_abroad
from accounts.sms import send_sms_code
from ottsonly.encryption import keyed_hash
from ottsonly.limits import allow
from ottsonly.requests import network_of

HOUR = 3600
DIGITS = 6
LOCKED = "Too many wrong codes. Ask for a new code."
EXPIRED = "This code can no longer be used. Ask for a new one."


@dataclass(frozen=True)
class CodeSlot:
    """What a code is good for; each slot holds one code, and a code fits its own slot alone.

    Args:
        purpose: what it allows, such as "login".
        phone: where it is sent, E.164.
        subject: for whom it allows that, where it is not the phone itself.
    """

    purpose: str
    phone: str
    subject: str = ""

    @property
    def key(self) -> str:
        return ":".join(part for part in (self.purpose, self.subject, self.phone) if part)

    def hash_of(self, code: str) -> str:
        # Bound to the slot: a hash copied to another document opens nothing.
        return keyed_hash("one-time-code", f"{self.key}:{code}")

    @property
    def stored(self) -> Any:
        return OneTimeCode.objects.filter(pk=self.key)


def new_code() -> str:
    """Return six random digits; with DEBUG the fixed demo code if one is set."""
    if settings.DEBUG and settings.DEMO_LOGIN_CODE:
        return settings.DEMO_LOGIN_CODE
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


def resend_wait_seconds(slot: CodeSlot) -> int:
    """Return in how many seconds another code may be sent; 0 means now."""
    sent_at = slot.stored.values_list("sent_at", flat=True).first()
    if sent_at is None:
        return 0
    ready_at = sent_at + timedelta(seconds=settings.OTP_RESEND_SECONDS)
    return max(0, math.ceil((ready_at - timezone.now()).total_seconds()))


def send_code(slot: CodeSlot, *, ip: str) -> str:
    """Send a fresh code to the slot's phone; the one before is dead from then on.

    The limits per phone count the codes of every purpose together.

    Args:
        ip: the address that asks.

    Returns:
        The code, which callers may show with DEBUG only.

    Raises:
        CodeTooSoon: the last one was sent less than OTP_RESEND_SECONDS ago.
        TooManyCodes: the cap per hour of the phone, of the address or of all numbers abroad
            together is reached.
        SmsError: the gateway did not take it; another try is allowed at once.
    """
    wait = resend_wait_seconds(slot)
    if wait:
        raise CodeTooSoon(wait)
    if not allow(f"code-ip:{network_of(ip)}", limit=settings.OTP_PER_IP_PER_HOUR, seconds=HOUR):
        raise TooManyCodes("Too many codes were asked for from here. Try again in an hour.")
    if not allow(f"code-phone:{slot.phone}", limit=settings.OTP_PER_PHONE_PER_HOUR, seconds=HOUR):
        raise TooManyCodes("Too many codes were sent to this number. Try again in an hour.")
    if is_abroad(slot.phone) and not allow(
        "code-abroad:all", limit=settings.OTP_ABROAD_PER_HOUR, seconds=HOUR
    ):
        raise TooManyCodes(
            _("We cannot send more codes abroad just now. Try again in an hour, or write to us.")
        )
    code = new_code()
    now = timezone.now()
    if not _put_code(slot, code, now):
        raise CodeTooSoon(settings.OTP_RESEND_SECONDS)
    try:
        send_sms_code(phone=slot.phone, code=code)
    except SmsError:
        slot.stored.filter(code_hash=slot.hash_of(code)).update(
            code_hash="", sent_at=now - timedelta(seconds=settings.OTP_RESEND_SECONDS)
        )
        raise
    return code


def _put_code(slot: CodeSlot, code: str, now: datetime) -> bool:
    """Replace the slot's code unless another request was quicker; say whether it was done."""
    fields: dict[str, Any] = {
        "code_hash": slot.hash_of(code),
        "expires_at": now + timedelta(seconds=settings.OTP_LIFETIME_SECONDS),
        "attempts": 0,
        "sent_at": now,
    }
    cooled = now - timedelta(seconds=settings.OTP_RESEND_SECONDS)
    if slot.stored.filter(sent_at__lte=cooled).update(**fields):
        return True
    try:
        OneTimeCode(key=slot.key, phone=slot.phone, **fields).save(force_insert=True)
    except IntegrityError:
        return False
    return True


def use_code(slot: CodeSlot, *, code: str, ip: str) -> None:
    """Use up the slot's code.

    A try is spent before the comparison and the code is taken by a conditional update, so that of
    several requests at once none gets a free guess and one at most gets through.

    Raises:
        WrongCode, CodeLocked, CodeExpired: the code does not fit, or no longer.
        TooManyCodes: too many tries from this address within the hour.
    """
    tries_per_ip = settings.OTP_PER_IP_PER_HOUR * settings.OTP_MAX_ATTEMPTS
    if not allow(f"try-ip:{network_of(ip)}", limit=tries_per_ip, seconds=HOUR):
        raise TooManyCodes("Too many codes were tried from here. Try again in an hour.")
    now = timezone.now()
    spent = slot.stored.filter(
        code_hash__gt="", expires_at__gt=now, attempts__lt=settings.OTP_MAX_ATTEMPTS
    ).update(attempts=F("attempts") + 1)
    row = slot.stored.first()
    if not spent:
        if row and row.code_hash and row.expires_at > now:
            raise CodeLocked(LOCKED)
        raise CodeExpired(EXPIRED)
    if row is None or not row.code_hash:
        # Another request used it up between our two steps.
        raise CodeExpired(EXPIRED)
    expected = slot.hash_of(code)
    if not hmac.compare_digest(row.code_hash, expected):
        left = settings.OTP_MAX_ATTEMPTS - row.attempts
        if left <= 0:
            raise CodeLocked(LOCKED)
        tries = "1 try" if left == 1 else f"{left} tries"
        raise WrongCode(f"That code is not right. You have {tries} left.")
    if not slot.stored.filter(code_hash=expected).update(code_hash=""):
        raise CodeExpired(EXPIRED)
