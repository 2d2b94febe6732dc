"""The second factor on every request."""

import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django_otp.middleware import OTPMiddleware

from accounts.models import TotpDevice, object_id
from accounts.sessions import VERIFIED_AT_KEY


def _is_recent(request: HttpRequest) -> bool:
    given_at = int(request.session.get(VERIFIED_AT_KEY, 0))
    return time.time() - given_at < settings.CONSOLE_SESSION_SECONDS


class SecondFactorMiddleware(OTPMiddleware):
    """Gives `request.user` its `is_verified()`; only our authenticator counts as second factor.

    The library's own look-up takes any model that a session names and does `int()` on its key:
    ObjectId keys would never be found, so the look-up is replaced and narrowed to one model.

    It counts for CONSOLE_SESSION_SECONDS only. That is shorter than the log-in, so `is_verified()`
    turns false in a session that goes on, and everything that asks for it leads to the second
    factor again.
    """

    # `touch` writes; under ASGI Django then runs this one in a thread.
    async_capable = False

    def __call__(self, request: HttpRequest) -> Any:
        response = super().__call__(request)
        # Only now: the session is read when somebody first asks for the user.
        touch = getattr(request.session, "touch", None)
        if touch is not None:
            touch()
        return response

    def _verify_user_sync(self, request: HttpRequest, user: Any) -> Any:
        known = super()._verify_user_sync(request, user)
        if known.otp_device is not None and not _is_recent(request):
            known.otp_device = None
        return known

    def _device_from_persistent_id(self, persistent_id: str) -> TotpDevice | None:
        label, _, key = str(persistent_id).rpartition("/")
        device_id = object_id(key)
        if label != TotpDevice.model_label() or device_id is None:
            return None
        return TotpDevice.objects.filter(pk=device_id, confirmed=True).first()

    async def _adevice_from_persistent_id(self, persistent_id: str) -> Any:
        label, _, key = str(persistent_id).rpartition("/")
        device_id = object_id(key)
        if label != TotpDevice.model_label() or device_id is None:
            return None
        return await TotpDevice.objects.filter(pk=device_id, confirmed=True).afirst()
