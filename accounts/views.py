"""Log-in, profile and the second factor."""

import time
from typing import Any

import qrcode
import qrcode.image.svg
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login as start_session
from django.contrib.auth import logout as end_session
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django_otp import login as mark_verified

from accounts import second_factor as factor
from accounts import services
from accounts.devices import describe_device
from accounts.errors import (
    AccountError,
    CodeTooSoon,
    EnrolmentInvalid,
    SecondFactorRefused,
)
from accounts.forms import CodeForm, PhoneForm, ProfileForm, TokenForm
from accounts.models import LoginSession, TotpDevice, User
from accounts.phones import display_phone
from accounts.sessions import LOGIN_KEY, VERIFIED_AT_KEY
from ottsonly.requests import client_ip, own_address

PHONE_KEY = "login_phone"
NEXT_KEY = "login_next"
DEMO_KEY = "login_demo_code"
# Outlasts the codes of an hour. A session of somebody who has only asked for one stays no longer:
# strangers make as many of them as they like.
BEFORE_LOGIN_SECONDS = 3600


def _way_on(request: HttpRequest, user: User, target: str) -> str:
    """Return where a person who has just logged in goes."""
    if not user.is_staff:
        return target or reverse("catalog:plans")
    if request.user.is_verified():  # type: ignore[union-attr]
        return target or reverse("admin:index")
    enrol = reverse("accounts:enrol", args=["x"]).removesuffix("x/")
    if target.startswith(enrol):
        return target
    url = reverse("accounts:second_factor")
    return f"{url}?{urlencode({'next': target})}" if target else url


@never_cache
def login(request: HttpRequest) -> HttpResponse:
    """Ask for the phone and send the code."""
    if request.user.is_authenticated:
        target = own_address(request, request.GET.get("next"))
        return redirect(_way_on(request, request.user, target))
    way_back = own_address(request, request.GET.get("next"))
    form = PhoneForm(request.POST or None, initial={"next": way_back})
    status = 200
    if request.method == "POST" and form.is_valid():
        phone = form.cleaned_data["phone"]
        try:
            _send(request, phone)
        except CodeTooSoon as error:
            messages.info(request, str(error))
        except AccountError as error:
            form.add_error("phone", str(error))
            status = error.status
        if form.is_valid():
            request.session.set_expiry(BEFORE_LOGIN_SECONDS)
            request.session[PHONE_KEY] = phone
            request.session[NEXT_KEY] = own_address(request, form.cleaned_data["next"])
            return redirect("accounts:code")
    return render(request, "accounts/login.html", {"form": form}, status=status)


def _send(request: HttpRequest, phone: str) -> None:
    request.session.pop(DEMO_KEY, None)
    code = services.send_code(phone=phone, ip=client_ip(request))
    if settings.DEBUG:
        request.session[DEMO_KEY] = code


@never_cache
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the code and log in."""
    phone = request.session.get(PHONE_KEY)
    if not phone:
        return redirect("accounts:login")
    form = CodeForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            user = services.verify_code(
                phone=phone, code=form.cleaned_data["code"], ip=client_ip(request)
            )
        except AccountError as error:
            form.add_error("code", str(error))
            status = error.status
        else:
            return _enter(request, user)
    target = request.session.get(NEXT_KEY, "")
    change_url = reverse("accounts:login")
    context = {
        "form": form,
        "phone_display": display_phone(phone),
        "change_url": f"{change_url}?{urlencode({'next': target})}" if target else change_url,
        "resend_wait_seconds": services.resend_wait_seconds(phone),
        "resend_url": reverse("accounts:resend"),
        "demo_code": _demo_code(request),
    }
    return render(request, "accounts/code.html", context, status=status)


def _demo_code(request: HttpRequest) -> str | None:
    if not settings.DEBUG:
        return None
    return request.session.get(DEMO_KEY) or settings.DEMO_LOGIN_CODE or None


def _enter(request: HttpRequest, user: User) -> HttpResponse:
    target = request.session.pop(NEXT_KEY, "")
    for key in (PHONE_KEY, DEMO_KEY):
        request.session.pop(key, None)
    start_session(request, user)
    request.session.set_expiry(None)
    request.session[LOGIN_KEY] = {
        "ip": client_ip(request),
        "device": describe_device(request.headers.get("User-Agent", "")),
        "at": timezone.now().isoformat(),
    }
    user.is_verified = lambda: False  # type: ignore[attr-defined]
    return redirect(_way_on(request, user, target))


@require_POST
def resend(request: HttpRequest) -> HttpResponse:
    """Send another code to the same phone."""
    phone = request.session.get(PHONE_KEY)
    if not phone:
        return redirect("accounts:login")
    try:
        _send(request, phone)
    except AccountError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, _("A new code is on its way. The one before is void."))
    return redirect("accounts:code")


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """End this session."""
    end_session(request)
    return redirect("catalog:home")


@require_POST
@login_required
def logout_everywhere(request: HttpRequest) -> HttpResponse:
    """End every session of the person."""
    services.log_out_everywhere(request.user)  # type: ignore[arg-type]
    end_session(request)
    messages.success(request, _("You are logged out on every device."))
    return redirect("accounts:login")


@require_POST
@login_required
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """End every session of the person but this one."""
    user: Any = request.user
    services.end_other_sessions(user=user, kept=request.session.session_key)
    # A new key and the new hash: this session goes on.
    update_session_auth_hash(request, user)
    messages.success(request, _("Every other device is logged out."))
    return redirect("accounts:profile")


@require_POST
@login_required
def end_one_session(request: HttpRequest, handle: str) -> HttpResponse:
    """End one session of the person; a second click finds it gone."""
    user: Any = request.user
    if handle == services.session_handle(request.session.session_key or ""):
        return logout(request)
    if services.end_session(user=user, handle=handle):
        messages.success(request, _("That device is logged out."))
    else:
        messages.info(request, _("That device was logged out already."))
    return redirect("accounts:profile")


@never_cache
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Name, e-mail and the open sessions."""
    user: Any = request.user
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        try:
            services.save_profile(user=user, values=form.cleaned_data)
        except AccountError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("Saved."))
        return redirect("accounts:profile")
    context = {"form": form, "logins": _logins(request)}
    return render(request, "accounts/profile.html", context)


def _logins(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what the page shows of the open sessions: this one first, none by its key."""
    user: Any = request.user
    here = request.session.session_key
    found = [
        {"session": entry, "is_current": entry.session_key == here, "end_url": _end_url(entry)}
        for entry in services.open_sessions(user)
    ]
    return sorted(found, key=lambda login: not login["is_current"])


def _end_url(entry: LoginSession) -> str:
    handle = services.session_handle(entry.session_key)
    return reverse("accounts:end_session", args=[handle])


def _require_staff(request: HttpRequest) -> User:
    user: Any = request.user
    if not user.is_staff:
        raise PermissionDenied
    return user


def _let_in(request: HttpRequest, device: TotpDevice) -> None:
    request.session.cycle_key()
    mark_verified(request, device)
    request.session[VERIFIED_AT_KEY] = int(time.time())


@never_cache
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask the staff for the second factor."""
    user = _require_staff(request)
    target = own_address(request, request.GET.get("next")) or reverse("admin:index")
    form = TokenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            device = factor.verify_second_factor(
                user=user, token=form.cleaned_data["token"], ip=client_ip(request)
            )
        except SecondFactorRefused as error:
            form.add_error("token", str(error))
        else:
            _let_in(request, device)
            return redirect(target)
    context = {
        "form": form,
        "has_device": factor.device_of(user) is not None,
        "demo_code": factor.demo_token(user),
    }
    return render(request, "accounts/second_factor.html", context)


def _qr_svg(text: str) -> SafeString:
    image = qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, border=2)
    # Drawn by the library from numbers alone: nothing of a person's input is markup in it.
    return mark_safe(image.to_string(encoding="unicode"))  # noqa: S308


@never_cache
@login_required
def enrol(request: HttpRequest, token: str) -> HttpResponse:
    """Set up the authenticator by a one-time link, which opens to the person it was made for."""
    user = _require_staff(request)
    try:
        link = factor.open_link(token=token, user=user)
    except EnrolmentInvalid:
        return render(request, "accounts/enrol_invalid.html", status=410)
    form = TokenForm(request.POST or None)
    form.fields["token"].help_text = _("Six digits that the authenticator app shows now.")
    if request.method == "POST" and form.is_valid():
        try:
            device, codes = factor.confirm_enrolment(link=link, token=form.cleaned_data["token"])
        except EnrolmentInvalid:
            return render(request, "accounts/enrol_invalid.html", status=410)
        except SecondFactorRefused as error:
            form.add_error("token", str(error))
        else:
            _let_in(request, device)
            return render(
                request,
                "accounts/backup_codes.html",
                {"codes": codes, "continue_url": reverse("admin:index")},
            )
    secret = link.key
    context = {
        "qr_svg": _qr_svg(factor.provisioning_uri(link, user)),
        "secret_groups": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        "form": form,
    }
    return render(request, "accounts/enrol.html", context)
