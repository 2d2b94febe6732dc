"""The pages on which the phone is changed: new number, code to the old one, code to the new one.

How far a person has come is kept in the session, which only the server can write.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import codes
from accounts.codes import CodeSlot
from accounts.errors import AccountError, CodeTooSoon, PhoneChangeRefused
from accounts.forms import CodeForm, NewPhoneForm
from accounts.models import User
from accounts.phone_change import change_phone, new_phone_slot, old_phone_slot, send_change_code
from accounts.phones import display_phone
from ottsonly.requests import client_ip

STATE_KEY = "phone_change"


def _turned_away(request: HttpRequest) -> HttpResponse | None:
    """Return where strangers, and staff without the second factor, go instead."""
    user: Any = request.user
    if not user.is_authenticated:
        return redirect_to_login(reverse("accounts:change_phone"))
    if user.is_staff and not user.is_verified():
        query = urlencode({"next": reverse("accounts:change_phone")})
        return redirect(f"{reverse('accounts:second_factor')}?{query}")
    return None


def _state(request: HttpRequest) -> dict[str, str] | None:
    """Return how far the change has come; None where there is none, or its number is past."""
    user: Any = request.user
    state = request.session.get(STATE_KEY)
    if not state or state["old"] != user.phone:
        return None
    return state


def _old_was_shown(state: dict[str, str]) -> bool:
    """Say whether the code to the old phone was given, and not too long ago."""
    if not state.get("old_at"):
        return False
    lifetime = timedelta(seconds=settings.OTP_LIFETIME_SECONDS)
    return datetime.fromisoformat(state["old_at"]) > timezone.now() - lifetime


def _slot(user: User, state: dict[str, str]) -> CodeSlot:
    """Return the slot of the code that is asked for now."""
    if _old_was_shown(state):
        return new_phone_slot(user, state["new"])
    return old_phone_slot(user)


def _send(request: HttpRequest, state: dict[str, str]) -> None:
    user: Any = request.user
    state.pop("demo", None)
    code = send_change_code(_slot(user, state), user=user, ip=client_ip(request))
    if settings.DEBUG:
        state["demo"] = code


@never_cache
def start(request: HttpRequest) -> HttpResponse:
    """Ask for the new number and send a code to the present one."""
    elsewhere = _turned_away(request)
    if elsewhere:
        return elsewhere
    user: Any = request.user
    form = NewPhoneForm(request.POST or None, present=user.phone)
    status = 200
    if request.method == "POST" and form.is_valid():
        state = {"old": user.phone, "new": form.cleaned_data["phone"]}
        try:
            _send(request, state)
        except CodeTooSoon as error:
            messages.info(request, str(error))
        except AccountError as error:
            form.add_error("phone", str(error))
            status = error.status
        if form.is_valid():
            request.session[STATE_KEY] = state
            return redirect("accounts:change_phone_old")
    return render(request, "accounts/change_phone.html", {"form": form}, status=status)


@never_cache
def old_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code that went to the present number, then send one to the new one."""
    elsewhere = _turned_away(request)
    if elsewhere:
        return elsewhere
    state = _state(request)
    if state is None:
        return redirect("accounts:change_phone")
    if _old_was_shown(state):
        return redirect("accounts:change_phone_new")
    user: Any = request.user
    form = CodeForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            codes.use_code(
                old_phone_slot(user), code=form.cleaned_data["code"], ip=client_ip(request)
            )
        except AccountError as error:
            form.add_error("code", str(error))
            status = error.status
        else:
            return _old_shown(request, state)
    return _code_page(request, form, state, step=1, status=status)


def _old_shown(request: HttpRequest, state: dict[str, str]) -> HttpResponse:
    state["old_at"] = timezone.now().isoformat()
    try:
        _send(request, state)
    except AccountError as error:
        # The old number is shown all the same; the next page sends again.
        messages.warning(request, str(error))
    request.session[STATE_KEY] = state
    return redirect("accounts:change_phone_new")


@never_cache
def new_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code that went to the new number, and change it."""
    elsewhere = _turned_away(request)
    if elsewhere:
        return elsewhere
    state = _state(request)
    if state is None:
        return redirect("accounts:change_phone")
    if not _old_was_shown(state):
        messages.info(request, _("That took too long. Please start again."))
        return redirect("accounts:change_phone")
    form = CodeForm(request.POST or None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            return _change(request, state, form.cleaned_data["code"])
        except PhoneChangeRefused as refusal:
            request.session.pop(STATE_KEY, None)
            messages.error(request, str(refusal))
            return redirect("accounts:change_phone")
        except AccountError as error:
            form.add_error("code", str(error))
            status = error.status
    return _code_page(request, form, state, step=2, status=status)


def _change(request: HttpRequest, state: dict[str, str], code: str) -> HttpResponse:
    user: Any = request.user
    change_phone(
        user=user,
        old_phone=state["old"],
        new_phone=state["new"],
        code=code,
        ip=client_ip(request),
        session_key=request.session.session_key,
    )
    request.session.pop(STATE_KEY, None)
    # A new key and the new hash: this session goes on.
    update_session_auth_hash(request, user)
    messages.success(
        request,
        _("Your number is %s now. Every other device is logged out.") % user.phone_display,
    )
    return redirect("accounts:profile")


@require_POST
def resend(request: HttpRequest) -> HttpResponse:
    """Send the code that is asked for now once more."""
    elsewhere = _turned_away(request)
    if elsewhere:
        return elsewhere
    state = _state(request)
    if state is None:
        return redirect("accounts:change_phone")
    try:
        _send(request, state)
    except AccountError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, _("A new code is on its way. The one before is void."))
    request.session[STATE_KEY] = state
    return redirect(
        "accounts:change_phone_new" if _old_was_shown(state) else "accounts:change_phone_old"
    )


def _code_page(
    request: HttpRequest, form: CodeForm, state: dict[str, str], *, step: int, status: int
) -> HttpResponse:
    user: Any = request.user
    slot = old_phone_slot(user) if step == 1 else new_phone_slot(user, state["new"])
    context = {
        "form": form,
        "step": step,
        "phone_display": display_phone(slot.phone),
        "new_phone_display": display_phone(state["new"]),
        "resend_wait_seconds": codes.resend_wait_seconds(slot),
        "demo_code": state.get("demo") if settings.DEBUG else None,
    }
    return render(request, "accounts/change_phone_code.html", context, status=status)
