"""A customer's own data: all of it as JSON, and its deletion on request.

What the rooms above hold is told by their modules named in settings.PERSONAL_DATA, because this
floor imports none of them. Each may have `export(user)`, `hindrance(user)`, `prepare(user)` (run
before the transaction of the deletion) and `forget(user)` (run inside it).
"""

import secrets
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import DeletionRefused
from accounts.models import GONE, LoginSession, OneTimeCode, User
from accounts.phone_change import forget_codes
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction


def export_data(user: User) -> dict[str, Any]:
    """Return what is stored about a customer, as plain values.

    Not in it: login details of plans, which are the shop's, and what operators noted.
    """
    data: dict[str, Any] = {
        "exported_at": timezone.now(),
        "account": {
            "phone": user.phone,
            "name": user.name,
            "email": user.email,
            "state_code": user.state_code,
            "since": user.created_at,
        },
        "logins": list(
            LoginSession.objects.filter(user_id=user.pk).values(
                "device", "ip", "created_at", "last_seen_at"
            )
        ),
    }
    for room in _rooms():
        if hasattr(room, "export"):
            data |= room.export(user)
    return data


def hindrance(user: User) -> str:
    """Return in one sentence why the account cannot be deleted now; "" if it can."""
    if not user.is_customer:
        return _("Accounts of the staff are disabled by an admin, not deleted here.")
    for room in _rooms():
        if hasattr(room, "hindrance") and (reason := room.hindrance(user)):
            return reason
    return ""


def delete_account(*, user: User) -> None:
    """Remove the person and keep the books: all in one transaction.

    Orders, entries and subscriptions stay, because others' figures stand on them; they refer to a
    user without phone, name and e-mail who can never log in.

    Raises:
        DeletionRefused: money is in the wallet, a plan runs, or an order or top-up is under way.
    """

    def work() -> None:
        fresh = User.objects.get(pk=user.pk)
        reason = hindrance(fresh)
        if reason:
            raise DeletionRefused(reason)
        for room in _rooms():
            if hasattr(room, "forget"):
                room.forget(fresh)
        OneTimeCode.objects.filter(phone=fresh.phone).delete()
        forget_codes(fresh)
        LoginSession.objects.filter(user_id=fresh.pk).delete()
        blank = {
            field: ""
            for field in ("name", "email", "state_code")
            if field in {known.name for known in User._meta.get_fields()}
        }
        User.objects.filter(pk=fresh.pk).update(
            # Unguessable, so that nobody can log in by it, and no phone at all.
            phone=f"{GONE}{secrets.token_hex(7)}",
            is_active=False,
            session_epoch=F("session_epoch") + 1,
            **blank,
        )
        record_event(actor=fresh, action="user.delete", target=fresh)

    for room in _rooms():
        if hasattr(room, "prepare"):
            room.prepare(user)
    in_transaction(work)


def _rooms() -> list[Any]:
    return [import_module(path) for path in settings.PERSONAL_DATA]
