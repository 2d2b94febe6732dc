"""What is read off a request besides its form."""

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str:
    """Return the client's address.

    X-Forwarded-For is believed only for as many hops as TRUSTED_PROXIES says, counted from the
    right: whatever stands further left was written by the client itself.
    """
    remote = request.META.get("REMOTE_ADDR", "")
    hops = settings.TRUSTED_PROXIES
    if not hops:
        return remote
    forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    return forwarded[-hops] if len(forwarded) >= hops and forwarded[-hops] else remote
