"""Logging in by phone, ending sessions, and roles."""

from contextlib import suppress
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import F
from django.utils import timezone

from accounts import codes
from accounts.codes import CodeSlot
from accounts.errors import AccountDisabled, LastAdmin
from accounts.models import BackupCode, LoginSession, RoleGuard, TotpDevice, User
from ottsonly.audit import record_event
from ottsonly.encryption import keyed_hash
from ottsonly.mongo import in_transaction

DISABLED = "This account is disabled. Please write to support."
GUARD = "roles"
# As many as the profile shows and ends one by one; ending the others at once ends all.
MOST_SESSIONS = 50


def login_slot(phone: str) -> CodeSlot:
    """Return the place of the code that logs in with `phone`."""
    return CodeSlot(purpose="login", phone=phone)


def resend_wait_seconds(phone: str) -> int:
    """Return in how many seconds another log-in code may be sent to `phone`; 0 means now."""
    return codes.resend_wait_seconds(login_slot(phone))


def send_code(*, phone: str, ip: str) -> str:
    """Send a log-in code to `phone` (E.164); raises what codes.send_code() does."""
    return codes.send_code(login_slot(phone), ip=ip)


def verify_code(*, phone: str, code: str, ip: str) -> User:
    """Use up the log-in code of `phone` and return its user, created at the first success.

    Raises:
        WrongCode, CodeLocked, CodeExpired, TooManyCodes: as codes.use_code() does.
        AccountDisabled: the code was right, but the account is disabled.
    """
    codes.use_code(login_slot(phone), code=code, ip=ip)
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


def save_profile(*, user: User, values: dict[str, Any]) -> None:
    """Store what a person says of themselves, and nothing else of the account.

    Raises:
        AccountDisabled: the account was deleted or disabled meanwhile: no name comes back to it.
    """
    if not User.objects.filter(pk=user.pk, is_active=True).update(**values):
        raise AccountDisabled(DISABLED)


def log_out_everywhere(user: User, *, actor: User | None = None) -> None:
    """End every session of `user`, the current one included."""

    def work() -> None:
        forget_sessions(user)
        record_event(actor=actor or user, action="user.log_out_everywhere", target=user)

    in_transaction(work)


def session_handle(session_key: str) -> str:
    """Return a name for a session that pages may show: the key itself would open it."""
    return keyed_hash("session-handle", session_key)[:32]


def open_sessions(user: User) -> list[LoginSession]:
    """Return the sessions of `user` that still hold, the last seen first."""
    mine = LoginSession.objects.filter(user_id=user.pk, expire_date__gt=timezone.now())
    return list(mine.defer("session_data").order_by("-last_seen_at")[:MOST_SESSIONS])


def end_session(*, user: User, handle: str) -> bool:
    """End the one session of `user` that has this handle; say whether there was one."""
    for session in open_sessions(user):
        if session_handle(session.session_key) == handle:
            break
    else:
        return False

    def work() -> bool:
        ended, _kinds = LoginSession.objects.filter(pk=session.pk, user_id=user.pk).delete()
        if ended:
            record_event(actor=user, action="user.end_session", target=user)
        return bool(ended)

    return in_transaction(work)


def end_other_sessions(*, user: User, kept: str | None) -> None:
    """End every session of `user` but the one with the key `kept`.

    The epoch counts up, so the caller must renew the kept session's hash of it
    (`update_session_auth_hash`); a session that is being saved just now ends all the same.
    """

    def work() -> None:
        # The trace is kept for ever: a button without effect must not make it grow.
        if forget_sessions(user, kept=kept):
            record_event(actor=user, action="user.end_other_sessions", target=user)

    in_transaction(work)
    user.refresh_from_db()


def forget_sessions(user: User, *, kept: str | None = None) -> int:
    """End the sessions of `user` and return how many; only inside a transaction."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    ended, _kinds = LoginSession.objects.filter(user_id=user.pk).exclude(pk=kept).delete()
    return ended


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
        AccountDisabled: the account is deleted.
    """
    _change(user, actor, {"role": User.Role(role).value}, "user.change_role")


def set_active(*, user: User, is_active: bool, actor: User | None) -> None:
    """Enable or disable `user`; disabling ends every session at once and for good.

    Raises:
        LastAdmin: the shop would be left without an active admin.
        PermissionDenied: the actor is no active admin.
        AccountDisabled: the account is deleted.
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
        if fresh.is_deleted:
            raise AccountDisabled("This account is deleted. Nobody can log in to it any more.")
        before = {name: getattr(fresh, name) for name in fields}
        was_admin = fresh.is_admin
        for name, value in fields.items():
            setattr(fresh, name, value)
        admins = User.objects.filter(role=User.Role.ADMIN, is_active=True)
        if was_admin and not fresh.is_admin and not admins.exclude(pk=fresh.pk).exists():
            raise LastAdmin("This is the last admin: make somebody else an admin first.")
        User.objects.filter(pk=fresh.pk).update(**fields)
        if not fresh.is_active:
            forget_sessions(fresh)
        if fresh.role == User.Role.USER:
            # Who comes back to the staff one day enrols anew.
            BackupCode.objects.filter(user=fresh).delete()
            TotpDevice.objects.filter(user=fresh).delete()
        record_event(actor=actor, action=action, target=fresh, before=before, after=fields)

    in_transaction(work)
    user.refresh_from_db()
