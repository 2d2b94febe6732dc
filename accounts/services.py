"""Logging in by phone, ending sessions, and roles."""

import hmac
import math
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from accounts.errors import (
    AccountDisabled,
    CodeExpired,
    CodeLocked,
    CodeTooSoon,
    LastAdmin,
    SmsError,
    TooManyCodes,
    WrongCode,
)
from accounts.models import BackupCode, LoginSession, OneTimeCode, RoleGuard, TotpDevice, User
from accounts.sms import send_sms_code
from ottsonly.audit import record_event
from ottsonly.encryption import keyed_hash
from ottsonly.limits import allow
from ottsonly.mongo import in_transaction

HOUR = 3600
DIGITS = 6
LOCKED = "Too many wrong codes. Ask for a new code."
EXPIRED = "This code can no longer be used. Ask for a new one."
DISABLED = "This account is disabled. Please write to support."
GUARD = "roles"


def _key(phone: str) -> str:
    return f"login:{phone}"


def _hash(phone: str, code: str) -> str:
    # Bound to the phone: a hash copied to another document opens nothing.
    return keyed_hash("login-code", f"{phone}:{code}")


def new_code() -> str:
    """Return six random digits; with DEBUG the fixed demo code if one is set."""
    if settings.DEBUG and settings.DEMO_LOGIN_CODE:
        return settings.DEMO_LOGIN_CODE
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"


def resend_wait_seconds(phone: str) -> int:
    """Return in how many seconds another code may be sent to `phone`; 0 means now."""
    sent_at = OneTimeCode.objects.filter(pk=_key(phone)).values_list("sent_at", flat=True).first()
    if sent_at is None:
        return 0
    ready_at = sent_at + timedelta(seconds=settings.OTP_RESEND_SECONDS)
    return max(0, math.ceil((ready_at - timezone.now()).total_seconds()))


def send_code(*, phone: str, ip: str) -> str:
    """Send a fresh code to `phone`; the one before is dead from then on.

    Args:
        phone: E.164.
        ip: the address that asks.

    Returns:
        The code, which callers may show with DEBUG only.

    Raises:
        CodeTooSoon: the last one was sent less than OTP_RESEND_SECONDS ago.
        TooManyCodes: the cap per hour of the phone or of the address is reached.
        SmsError: the gateway did not take it; another try is allowed at once.
    """
    wait = resend_wait_seconds(phone)
    if wait:
        raise CodeTooSoon(wait)
    if not allow(f"code-ip:{ip}", limit=settings.OTP_PER_IP_PER_HOUR, seconds=HOUR):
        raise TooManyCodes("Too many codes were asked for from here. Try again in an hour.")
    if not allow(f"code-phone:{phone}", limit=settings.OTP_PER_PHONE_PER_HOUR, seconds=HOUR):
        raise TooManyCodes("Too many codes were sent to this number. Try again in an hour.")
    code = new_code()
    now = timezone.now()
    if not _put_code(phone, code, now):
        raise CodeTooSoon(settings.OTP_RESEND_SECONDS)
    try:
        send_sms_code(phone=phone, code=code)
    except SmsError:
        OneTimeCode.objects.filter(pk=_key(phone), code_hash=_hash(phone, code)).update(
            code_hash="", sent_at=now - timedelta(seconds=settings.OTP_RESEND_SECONDS)
        )
        raise
    return code


def _put_code(phone: str, code: str, now: datetime) -> bool:
    """Replace the phone's code unless another request was quicker; say whether it was done."""
    fields: dict[str, Any] = {
        "code_hash": _hash(phone, code),
        "expires_at": now + timedelta(seconds=settings.OTP_LIFETIME_SECONDS),
        "attempts": 0,
        "sent_at": now,
    }
    cooled = now - timedelta(seconds=settings.OTP_RESEND_SECONDS)
    if OneTimeCode.objects.filter(pk=_key(phone), sent_at__lte=cooled).update(**fields):
        return True
    try:
        OneTimeCode(key=_key(phone), phone=phone, **fields).save(force_insert=True)
    except IntegrityError:
        return False
    return True


def verify_code(*, phone: str, code: str, ip: str) -> User:
    """Use up the code of `phone` and return its user, who is created at the first success.

    A try is spent before the comparison and the code is taken by a conditional update, so that of
    several requests at once none gets a free guess and one at most gets in.

    Raises:
        WrongCode, CodeLocked, CodeExpired: the code does not open the account.
        TooManyCodes: too many tries from this address within the hour.
        AccountDisabled: the code was right, but the account is disabled.
    """
    tries_per_ip = settings.OTP_PER_IP_PER_HOUR * settings.OTP_MAX_ATTEMPTS
    if not allow(f"try-ip:{ip}", limit=tries_per_ip, seconds=HOUR):
        raise TooManyCodes("Too many codes were tried from here. Try again in an hour.")
    now = timezone.now()
    spent = OneTimeCode.objects.filter(
        pk=_key(phone),
        code_hash__gt="",
        expires_at__gt=now,
        attempts__lt=settings.OTP_MAX_ATTEMPTS,
    ).update(attempts=F("attempts") + 1)
    row = OneTimeCode.objects.filter(pk=_key(phone)).first()
    if not spent:
        if row and row.code_hash and row.expires_at > now:
            raise CodeLocked(LOCKED)
        raise CodeExpired(EXPIRED)
    if row is None or not row.code_hash:
        # Another request used it up between our two steps.
        raise CodeExpired(EXPIRED)
    expected = _hash(phone, code)
    if not hmac.compare_digest(row.code_hash, expected):
        left = settings.OTP_MAX_ATTEMPTS - row.attempts
        if left <= 0:
            raise CodeLocked(LOCKED)
        tries = "1 try" if left == 1 else f"{left} tries"
        raise WrongCode(f"That code is not right. You have {tries} left.")
    if not OneTimeCode.objects.filter(pk=_key(phone), code_hash=expected).update(code_hash=""):
        raise CodeExpired(EXPIRED)
    user = _user_of(phone)
    if not user.is_active:
        raise AccountDisabled(DISABLED)
    return user


def _user_of(phone: str) -> User:
    user = User.objects.filter(phone=phone).first()
    if user is not None:
        return user
    try:
        return User.objects.create(phone=phone)
    except IntegrityError:
        return User.objects.get(phone=phone)


def log_out_everywhere(user: User, *, actor: User | None = None) -> None:
    """End every session of `user`, the current one included."""

    def work() -> None:
        User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
        LoginSession.objects.filter(user_id=user.pk).delete()
        record_event(actor=actor or user, action="user.log_out_everywhere", target=user)

    in_transaction(work)


def _require_admin(actor: User | None) -> None:
    """Allow an active admin, or the command line (None)."""
    if (
        actor is not None
        and not User.objects.filter(pk=actor.pk, role=User.Role.ADMIN, is_active=True).exists()
    ):
        raise PermissionDenied


def change_role(*, user: User, role: str, actor: User | None) -> None:
    """Give `user` the role `role`.

    Args:
        actor: the admin who does it; None for the command line.

    Raises:
        LastAdmin: the shop would be left without an active admin.
        PermissionDenied: the actor is no active admin.
    """
    _change(user, actor, {"role": User.Role(role).value}, "user.change_role")


def set_active(*, user: User, is_active: bool, actor: User | None) -> None:
    """Enable or disable `user`; disabling ends every session at once and for good.

    Raises:
        LastAdmin: the shop would be left without an active admin.
        PermissionDenied: the actor is no active admin.
    """
    action = "user.enable" if is_active else "user.disable"
    _change(user, actor, {"is_active": is_active}, action)


def _change(user: User, actor: User | None, fields: dict[str, Any], action: str) -> None:
    with suppress(IntegrityError):  # It is there already, but for the first time.
        RoleGuard.objects.create(key=GUARD)

    def work() -> None:
        RoleGuard.objects.filter(pk=GUARD).update(changes=F("changes") + 1)
        _require_admin(actor)
        fresh = User.objects.get(pk=user.pk)
        before = {name: getattr(fresh, name) for name in fields}
        was_admin = fresh.is_admin
        for name, value in fields.items():
            setattr(fresh, name, value)
        admins = User.objects.filter(role=User.Role.ADMIN, is_active=True)
        if was_admin and not fresh.is_admin and not admins.exclude(pk=fresh.pk).exists():
            raise LastAdmin("This is the last admin: make somebody else an admin first.")
        User.objects.filter(pk=fresh.pk).update(**fields)
        if not fresh.is_active:
            User.objects.filter(pk=fresh.pk).update(session_epoch=F("session_epoch") + 1)
            LoginSession.objects.filter(user_id=fresh.pk).delete()
        if fresh.role == User.Role.USER:
            # Who comes back to the staff one day enrols anew.
            BackupCode.objects.filter(user=fresh).delete()
            TotpDevice.objects.filter(user=fresh).delete()
        record_event(actor=actor, action=action, target=fresh, before=before, after=fields)

    in_transaction(work)
    user.refresh_from_db()
