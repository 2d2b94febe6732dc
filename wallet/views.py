"""Pages of the wallet."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from bson import ObjectId
from csp.constants import SELF, UNSAFE_INLINE
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts.decorators import CustomerRequest, customer_required
from ottsonly.errors import ShopError
from ottsonly.money import RupeesField, plain_rupees
from ottsonly.requests import own_address
from wallet.errors import KeyReused
from wallet.forms import TopUpForm
from wallet.models import Recharge, WalletTransaction
from wallet.recharges import confirm_callback, start_recharge
from wallet.services import balance_of
from wallet.webhooks import BadSignature, receive

RECENT = 8


@require_safe
@never_cache
@customer_required
def overview(request: CustomerRequest) -> HttpResponse:
    """Balance, top-up and the latest entries."""
    way_back = own_address(request, request.GET.get("next", ""))
    initial = {
        "amount": request.GET.get("amount", ""),
        "key": secrets.token_urlsafe(24),
        "next": way_back,
    }
    return _overview(request, TopUpForm(initial=initial), way_back)


def _overview(request: CustomerRequest, form: TopUpForm, way_back: str) -> HttpResponse:
    # Without an order of Razorpay's there is nothing to pay: the form is sent again instead.
    pending = Recharge.objects.for_user(request.user).filter(
        state=Recharge.State.PENDING, razorpay_order_id__gt=""
    )
    context = {
        "form": form,
        "quick_amounts": [
            {"paise": paise, "rupees": plain_rupees(paise)} for paise in settings.TOPUP_QUICK_PAISE
        ],
        "min_paise": settings.TOPUP_MIN_PAISE,
        "max_paise": settings.TOPUP_MAX_PAISE,
        "entries": list(
            WalletTransaction.objects.for_user(request.user).order_by("-sequence")[:RECENT]
        ),
        "pending": list(pending.order_by("-created_at")[:3]),
        "back": {"url": way_back, "label": _("your purchase")} if way_back else None,
        "needed_paise": _needed_paise(request) if way_back else None,
    }
    return render(request, "wallet/overview.html", context)


def _needed_paise(request: HttpRequest) -> int | None:
    try:
        return RupeesField(required=False).clean(request.GET.get("amount", ""))
    except ValidationError:
        return None


@require_POST
@customer_required
def topup(request: CustomerRequest) -> HttpResponse:
    """Start a top-up and go to its page."""
    form = TopUpForm(request.POST)
    way_back = own_address(request, request.POST.get("next", ""))
    if not form.is_valid():
        return _overview(request, form, way_back)
    try:
        recharge = start_recharge(
            user=request.user,
            amount_paise=form.cleaned_data["amount"],
            key=form.cleaned_data["key"],
            return_url=way_back,
        )
    except ShopError as refusal:
        form.add_error("amount", str(refusal))
        if isinstance(refusal, KeyReused):
            # The old key would be refused again and again.
            form.data = {**request.POST.dict(), "key": secrets.token_urlsafe(24)}
        return _overview(request, form, way_back)
    return redirect(recharge)


@require_safe
@never_cache
@customer_required
def checkout(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Pay a top-up at Razorpay, or see how it ended."""
    recharge = get_object_or_404(Recharge.objects.for_user(request.user), pk=pk)
    is_open = recharge.state == Recharge.State.PENDING and recharge.razorpay_order_id
    back = recharge.return_url
    context: dict[str, Any] = {
        "recharge": recharge,
        "checkout": _checkout_options(request, recharge) if is_open else None,
        "checkout_js_url": settings.RAZORPAY_CHECKOUT_JS_URL,
        "callback_url": reverse("wallet:callback", args=[recharge.pk]),
        "balance_paise": balance_of(request.user.pk),
        "retry_key": secrets.token_urlsafe(24),
        "retry_next": back,
        "continue_url": back or reverse("catalog:plans"),
        "continue_label": _("Back to your purchase") if back else _("Choose a plan"),
    }
    response = render(request, "wallet/checkout.html", context)
    if is_open:
        _allow_checkout(response)
    return response


def _checkout_options(request: CustomerRequest, recharge: Recharge) -> dict[str, Any]:
    return {
        "key": settings.RAZORPAY_KEY_ID,
        "amount": recharge.amount_paise,
        "currency": "INR",
        "order_id": recharge.razorpay_order_id,
        "name": settings.SHOP_NAME,
        "description": _("Wallet top-up"),
        "prefill": {"contact": request.user.phone, "email": request.user.email},
        "theme": {"color": "#b3541e"},
    }


def _allow_checkout(response: HttpResponse) -> None:
    """Let this one page load and frame Razorpay's checkout, which brings its own styles."""
    parts = urlsplit(settings.RAZORPAY_CHECKOUT_JS_URL)
    sources = [f"{parts.scheme}://{parts.netloc}"]
    if parts.netloc.endswith("razorpay.com"):
        sources.append("https://*.razorpay.com")
    response._csp_update = {  # type: ignore[attr-defined]
        "script-src": [SELF, *sources],
        "frame-src": [SELF, *sources],
        "connect-src": [SELF, *sources],
        "img-src": sources,
        "style-src": [SELF, UNSAFE_INLINE],
    }


@require_POST
@customer_required
def callback(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """What Checkout hands to the page after a payment; nothing in it is believed unchecked."""
    recharge = get_object_or_404(Recharge.objects.for_user(request.user), pk=pk)
    try:
        confirm_callback(
            recharge=recharge,
            order_id=request.POST.get("razorpay_order_id", ""),
            payment_id=request.POST.get("razorpay_payment_id", ""),
            signature=request.POST.get("razorpay_signature", ""),
        )
    except ShopError as refusal:
        messages.error(request, str(refusal))
    return redirect(recharge)


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Razorpay's web hook: 2xx only when the event is stored."""
    try:
        receive(
            body=request.body,
            signature=request.headers.get("X-Razorpay-Signature", ""),
            event_id=request.headers.get("x-razorpay-event-id", ""),
        )
    except BadSignature:
        return HttpResponse(status=400)
    return HttpResponse(status=204)
