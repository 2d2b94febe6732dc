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

    def _install_lazy_accessors(self, request: HttpRequest) -> None:
        super()._install_lazy_accessors(request)
        if request.session.session_key and hasattr(request.session, "touch"):
            request.session.touch()

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
