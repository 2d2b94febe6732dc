"""The staff's second factor: an authenticator app (RFC 6238) and backup codes.

Codes sent to the phone live in another collection and are never looked at here: whoever holds the
phone has the first factor only.
"""

import base64
import hmac
import secrets
import time
from datetime import timedelta
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone
from django_otp.oath import hotp

from accounts.errors import EnrolmentInvalid, SecondFactorRefused
from accounts.models import BackupCode, EnrolmentLink, TotpDevice, User
from ottsonly.audit import record_event
from ottsonly.encryption import keyed_hash
from ottsonly.limits import allow
from ottsonly.mongo import in_transaction
from ottsonly.requests import network_of

STEP_SECONDS = 30
# One step either way, for clocks that are off (RFC 6238, section 5.2).
TOLERANCE_STEPS = 1
TRIES = 10
TRIES_SECONDS = 15 * 60
LINK_LIFETIME = timedelta(hours=24)
BACKUP_CODES = 10
BACKUP_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
WRONG = "That code is not right, or it was used already."
TOO_MANY = "Too many tries. Wait 15 minutes."
INVALID = "This link was used already or is too old."


def _current_step() -> int:
    return int(time.time() // STEP_SECONDS)


def token_at(secret: str, step: int) -> str:
    """Return the six digits of a base32 secret at a time step."""
    return f"{hotp(base64.b32decode(secret), step):06d}"


def _matching_step(secret: str, token: str) -> int | None:
    now = _current_step()
    for step in range(now - TOLERANCE_STEPS, now + TOLERANCE_STEPS + 1):
        if hmac.compare_digest(token_at(secret, step).encode(), token.encode()):
            return step
    return None


def _plain(token: str) -> str:
    return "".join(token.split()).replace("-", "").lower()


def _backup_hash(user: User, code: str) -> str:
    return keyed_hash("backup-code", f"{user.pk}:{_plain(code)}")


def device_of(user: User) -> TotpDevice | None:
    """Return the authenticator of `user`, or None."""
    return TotpDevice.objects.filter(user=user, confirmed=True).first()


def create_enrolment_link(user: User, *, actor: User | None = None) -> str:
    """Return the token of a fresh enrolment link; earlier links of the user stop working.

    Raises:
        EnrolmentInvalid: the user is no active member of the staff.
    """
    if not user.is_staff:
        raise EnrolmentInvalid("Only active support agents and admins can have an authenticator.")
    token = secrets.token_urlsafe(32)
    secret = base64.b32encode(secrets.token_bytes(20)).decode()

    def work() -> None:
        now = timezone.now()
        EnrolmentLink.objects.filter(user=user, used_at=None).update(expires_at=now)
        EnrolmentLink.objects.create(
            user=user,
            token_hash=keyed_hash("enrolment", token),
            key=secret,
            expires_at=now + LINK_LIFETIME,
        )
        record_event(actor=actor, action="user.enrolment_link", target=user)

    in_transaction(work)
    return token


def open_link(*, token: str, user: User) -> EnrolmentLink:
    """Return the link that `token` names.

    Raises:
        EnrolmentInvalid: it is unknown, somebody else's, used up or expired.
    """
    link = EnrolmentLink.objects.filter(
        token_hash=keyed_hash("enrolment", token), user=user
    ).first()
    if link is None or not link.is_open(timezone.now()) or not user.is_staff:
        raise EnrolmentInvalid(INVALID)
    return link


def provisioning_uri(link: EnrolmentLink, user: User) -> str:
    """Return the otpauth address that an authenticator app reads from the QR code."""
    issuer = quote(settings.SHOP_NAME)
    return (
        f"otpauth://totp/{issuer}:{quote(user.phone)}?secret={link.key}&issuer={issuer}"
        f"&algorithm=SHA1&digits=6&period={STEP_SECONDS}"
    )


def confirm_enrolment(*, link: EnrolmentLink, token: str) -> tuple[TotpDevice, list[str]]:
    """Set up the authenticator that shows `token`, and use the link up.

    Returns:
        The device, and ten backup codes, which are stored as keyed hashes only.

    Raises:
        SecondFactorRefused: the token does not fit (the link stays open), or too many tries.
        EnrolmentInvalid: another request used the link up.
    """
    if not allow(f"enrol:{link.pk}", limit=TRIES, seconds=TRIES_SECONDS):
        raise SecondFactorRefused(TOO_MANY)
    step = _matching_step(link.key, _plain(token))
    if step is None:
        raise SecondFactorRefused("That code does not fit. Type the one that the app shows now.")
    codes = [
        "".join(secrets.choice(BACKUP_ALPHABET) for _ in range(10)) for _ in range(BACKUP_CODES)
    ]
    user = link.user

    def work() -> TotpDevice:
        now = timezone.now()
        open_links = EnrolmentLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=now)
        if not open_links.update(used_at=now):
            raise EnrolmentInvalid(INVALID)
        BackupCode.objects.filter(user=user).delete()
        TotpDevice.objects.filter(user=user).delete()
        device = TotpDevice.objects.create(
            user=user, name="authenticator", confirmed=True, key=link.key, last_t=step
        )
        for code in codes:
            BackupCode.objects.create(user=user, device=device, code_hash=_backup_hash(user, code))
        record_event(actor=user, action="user.enrolled", target=user)
        return device

    device = in_transaction(work)
    return device, [f"{code[:5]}-{code[5:]}" for code in codes]


def verify_second_factor(*, user: User, token: str, ip: str) -> TotpDevice:
    """Return the device that `token` (authenticator or backup code) proves, using the token up.

    Args:
        ip: the address that tries; counted too, so that one address cannot try many people.

    Raises:
        SecondFactorRefused: it does not fit, was used already, or there were too many tries.
    """
    if not allow(f"second-factor:{user.pk}", limit=TRIES, seconds=TRIES_SECONDS):
        raise SecondFactorRefused(TOO_MANY)
    if not allow(f"second-factor-ip:{network_of(ip)}", limit=TRIES * 5, seconds=TRIES_SECONDS):
        raise SecondFactorRefused(TOO_MANY)
    device = device_of(user) if user.is_staff else None
    if device is None:
        raise SecondFactorRefused("No authenticator is set up for this account.")
    plain = _plain(token)
    step = _matching_step(device.key, plain)
    if step is not None:
        if TotpDevice.objects.filter(pk=device.pk, last_t__lt=step).update(last_t=step):
            return device
        raise SecondFactorRefused(WRONG)
    if in_transaction(lambda: _use_backup_code(user, device, plain)):
        return device
    raise SecondFactorRefused(WRONG)


def _use_backup_code(user: User, device: TotpDevice, plain: str) -> bool:
    """Delete the code and record it, both or neither; say whether there was one."""
    code_hash = _backup_hash(user, plain)
    used, _kinds = BackupCode.objects.filter(user=user, device=device, code_hash=code_hash).delete()
    if used == 1:
        record_event(actor=user, action="user.backup_code_used", target=user)
    return used == 1


def demo_token(user: User) -> str | None:
    """Return a token that opens the console now, in a demo only (DEBUG and DEMO_LOGIN_CODE)."""
    if not (settings.DEBUG and settings.DEMO_LOGIN_CODE):
        return None
    device = device_of(user)
    if device is None:
        return None
    now = _current_step()
    return token_at(device.key, min(max(now, device.last_t + 1), now + TOLERANCE_STEPS))
