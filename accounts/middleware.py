"""The second factor on every request."""

from typing import Any

from django.http import HttpRequest
from django_otp.middleware import OTPMiddleware

from accounts.models import TotpDevice, object_id


class SecondFactorMiddleware(OTPMiddleware):
    """Gives `request.user` its `is_verified()`; only our authenticator counts as second factor.

    The library's own look-up takes any model that a session names and does `int()` on its key:
    ObjectId keys would never be found, so the look-up is replaced and narrowed to one model.
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
