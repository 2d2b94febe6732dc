"""Changing the phone, which is the key to the account: a code to the old one and one to the new."""

from contextlib import suppress

from django.db import IntegrityError
from django.utils.translation import gettext as _

from accounts import codes
from accounts.codes import HOUR, CodeSlot
from accounts.errors import PhoneChangeRefused, SmsError, TooManyCodes
from accounts.models import OneTimeCode, User
from accounts.phones import mask_phone
from accounts.services import forget_sessions
from accounts.signals import phone_changed
from accounts.sms import send_sms_phone_changed
from ottsonly.audit import record_event
from ottsonly.limits import allow
from ottsonly.mongo import in_transaction

CHANGES_PER_HOUR = 10
TAKEN = "Another account has this number already. Log in with it, or choose another."
STALE = "Your number was changed meanwhile. Please start again."


def forget_codes(user: User) -> None:
    """Delete the codes of changes of this user that were begun, with the numbers they went to."""
    for purpose in ("old-phone", "new-phone"):
        OneTimeCode.objects.filter(pk__startswith=f"{purpose}:{user.pk}:").delete()


def old_phone_slot(user: User) -> CodeSlot:
    """Return the place of the code that shows that the present phone is at hand."""
    return CodeSlot(purpose="old-phone", phone=user.phone, subject=str(user.pk))


def new_phone_slot(user: User, new_phone: str) -> CodeSlot:
    """Return the place of the code that shows that the new phone is at hand."""
    return CodeSlot(purpose="new-phone", phone=new_phone, subject=str(user.pk))


def send_change_code(slot: CodeSlot, *, user: User, ip: str) -> str:
    """Send one of the two codes; raises what codes.send_code() does."""
    if not allow(f"phone-change:{user.pk}", limit=CHANGES_PER_HOUR, seconds=HOUR):
        raise TooManyCodes(_("You asked for many codes. Try again in an hour."))
    return codes.send_code(slot, ip=ip)


def change_phone(
    *, user: User, old_phone: str, new_phone: str, code: str, ip: str, session_key: str | None
) -> None:
    """Make `new_phone` the key of the account; every session but the one given ends.

    Whether somebody else has the number is told only to who holds it: before the code was right,
    the answer would tell anybody who is a customer here.

    Args:
        old_phone: the phone whose code was used before, E.164; it must still be the user's.
        code: the code that was sent to `new_phone`.
        session_key: the session that goes on; its hash must be renewed by the caller.

    Raises:
        WrongCode, CodeLocked, CodeExpired, TooManyCodes: as codes.use_code() does.
        PhoneChangeRefused: the number is somebody else's by now, or the old one is not the
            user's any more. Nothing was changed.
    """
    codes.use_code(new_phone_slot(user, new_phone), code=code, ip=ip)

    def work() -> None:
        still_his = User.objects.filter(pk=user.pk, phone=old_phone, is_active=True)
        if still_his.update(phone=new_phone) != 1:
            raise PhoneChangeRefused(_(STALE))
        forget_sessions(user, kept=session_key)
        fresh = User.objects.get(pk=user.pk)
        record_event(
            actor=user,
            action="user.change_phone",
            target=user,
            # Shortened: the trace is kept for ever, also when the account is deleted.
            before={"phone": mask_phone(old_phone)},
            after={"phone": mask_phone(new_phone)},
        )
        phone_changed.send(sender=User, user=fresh, old_phone=old_phone)

    try:
        in_transaction(work)
    except IntegrityError:
        # The unique index decides between two who want one number at once.
        raise PhoneChangeRefused(_(TAKEN)) from None
    user.refresh_from_db()
    # Told after it is so; a gateway that is down takes nothing back.
    with suppress(SmsError):
        send_sms_phone_changed(phone=old_phone, new_phone=mask_phone(new_phone))
