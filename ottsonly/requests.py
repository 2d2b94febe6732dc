"""What is read off a request besides its form."""

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

# What a top-up keeps to lead back to.
LONGEST_ADDRESS = 300


def own_address(request: HttpRequest, address: str | None) -> str:
    """Return `address` if it is a path of this shop, so that a page may lead there; else "".

    A word without a slash would be looked up as the name of a page.
    """
    text = address or ""
    own = url_has_allowed_host_and_scheme(text, {request.get_host()}, request.is_secure())
    return text if own and text.startswith("/") and len(text) <= LONGEST_ADDRESS else ""


def page_of(request: HttpRequest) -> str:
    """Return the address of the page that the person is on, to come back to it by GET.

    A form may be sent to an address that only takes POST: then it is the page with the form.
    """
    here = request.get_full_path()
    if request.method in ("GET", "HEAD"):
        return here
    try:
        page = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        # No address at all, such as "http://[": a browser sends none like it.
        return here
    if page.netloc != request.get_host():
        return here
    return own_address(request, page._replace(scheme="", netloc="", fragment="").geturl()) or here


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


def network_of(ip: str) -> str:
    """Return what limits count an address by: itself, or the /64 of an IPv6 address.

    One household or server is given a whole /64 at least, so each of its 2**64 addresses would be
    a limit of its own.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return ip
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))
