"""Pages of buying and of the customer's orders."""

from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.decorators import CustomerRequest, customer_required
from catalog.errors import SoldOut
from catalog.models import Delivery, Plan
from orders.errors import OrderRefused, PriceChanged
from orders.forms import ConfirmForm
from orders.models import Order
from orders.quotes import quote_for, read_quote
from orders.services import place_order
from ottsonly.money import plain_rupees
from ottsonly.paging import page_by_id
from wallet.errors import InsufficientBalance
from wallet.models import WalletTransaction
from wallet.services import balance_of


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@customer_required
def confirm(request: CustomerRequest, platform_slug: str, plan_slug: str) -> HttpResponse:
    """Show what will be bought and at what price; buy it when confirmed."""
    plan = _plan_on_sale(platform_slug, plan_slug)
    if request.method != "POST":
        return _confirm_page(request, plan, _new_form(request, plan))
    form = ConfirmForm(request.POST, plan=plan)
    if not form.is_valid():
        return _confirm_page(request, plan, form)
    try:
        quote = read_quote(form.cleaned_data["quote"], user=request.user, plan=plan)
    except OrderRefused as refusal:
        return _confirm_page(request, plan, _new_form(request, plan), error=str(refusal))
    try:
        order = place_order(
            user=request.user,
            quote=quote,
            customer_email=form.cleaned_data.get("customer_email", ""),
        )
    except PriceChanged:
        return _confirm_page(
            request, plan, _new_form(request, plan), old_price_paise=quote.price_paise
        )
    except InsufficientBalance:
        return _confirm_page(request, plan, _new_form(request, plan))
    except (SoldOut, OrderRefused) as refusal:
        return _confirm_page(request, plan, _new_form(request, plan), error=str(refusal))
    return redirect(f"{order.get_absolute_url()}?new=1")


def _plan_on_sale(platform_slug: str, plan_slug: str) -> Plan:
    plan = Plan.objects.on_sale().filter(platform__slug=platform_slug, slug=plan_slug).first()
    if plan is None:
        raise Http404
    return plan


def _new_form(request: CustomerRequest, plan: Plan) -> ConfirmForm:
    email = request.POST.get("customer_email") or getattr(request.user, "email", "")
    initial = {"quote": quote_for(user=request.user, plan=plan), "customer_email": email}
    return ConfirmForm(plan=plan, initial=initial)


def _confirm_page(
    request: CustomerRequest,
    plan: Plan,
    form: ConfirmForm,
    *,
    error: str = "",
    old_price_paise: int | None = None,
) -> HttpResponse:
    balance_paise = balance_of(request.user.pk)
    missing_paise = max(0, plan.price_paise - balance_paise)
    way_back = {"amount": plain_rupees(missing_paise), "next": plan.buy_url}
    context: dict[str, Any] = {
        "plan": plan,
        "form": form,
        "balance_paise": balance_paise,
        "balance_after_paise": None if missing_paise else balance_paise - plan.price_paise,
        "missing_paise": missing_paise,
        "topup_url": f"{reverse('wallet:overview')}?{urlencode(way_back)}",
        "price_changed": old_price_paise is not None,
        "old_price_paise": old_price_paise,
        "error": error,
        "needs_email": plan.delivery == Delivery.CUSTOMER_EMAIL,
    }
    return render(request, "orders/confirm.html", context)


@require_safe
@customer_required
def order_list(request: CustomerRequest) -> HttpResponse:
    """My orders, newest first."""
    orders, older_url, newer_url = page_by_id(request, Order.objects.for_user(request.user))
    context = {"orders": orders, "older_url": older_url, "newer_url": newer_url}
    return render(request, "orders/list.html", context)


@require_safe
@customer_required
def order_detail(request: CustomerRequest, number: str) -> HttpResponse:
    """One order of mine, with its progress, refunds and ledger entries."""
    order = get_object_or_404(Order.objects.for_user(request.user), number=number.upper())
    refunds = list(order.refunds.order_by("-created_at"))
    references = [str(order.pk), *(str(refund.pk) for refund in refunds)]
    context = {
        "order": order,
        "refunds": refunds,
        "entries": list(
            WalletTransaction.objects.filter(
                user_id=request.user.pk,
                reference_type__in=["order", "refund"],
                reference_id__in=references,
            ).order_by("-sequence")
        ),
        "is_new": "new" in request.GET,
    }
    return render(request, "orders/detail.html", context)
