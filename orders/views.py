"""Pages of buying and of the customer's orders."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from bson import ObjectId
from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.decorators import CustomerRequest, customer_required
from catalog.errors import SoldOut
from catalog.models import Plan
from orders import services
from orders.errors import OrderRefused, PriceChanged
from orders.forms import ConfirmForm
from orders.models import Order
from orders.quotes import quote_for, read_quote
from orders.services import place_order
from ottsonly.money import plain_rupees
from ottsonly.paging import page_by_time
from subscriptions.models import Subscription
from wallet.errors import InsufficientBalance
from wallet.models import WalletTransaction
from wallet.services import balance_of


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@customer_required
def confirm(request: CustomerRequest, platform_slug: str, plan_slug: str) -> HttpResponse:
    """Show what will be bought and at what price; buy it when confirmed."""
    plan = _plans(request).filter(platform__slug=platform_slug, slug=plan_slug).first()
    if plan is None:
        raise Http404
    return _confirm(request, plan, None)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@customer_required
def renew(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Show what more days of a subscription cost today; add them when confirmed."""
    subscription = get_object_or_404(Subscription.objects.for_user(request.user), pk=pk)
    plan = _plans(request).filter(pk=subscription.plan_id).first()
    can_renew = subscription.can_renew or request.method == "POST"
    if plan is None or not can_renew:
        context = {"subscription": subscription, "plan": plan}
        return render(request, "orders/not_renewable.html", context)
    return _confirm(request, plan, subscription)


def _plans(request: CustomerRequest) -> QuerySet[Plan]:
    """The plans that a page may be about: of a form that comes again, also one off sale by now.

    What such a form bought before is still shown; anything else the service refuses.
    """
    if request.method == "POST":
        return Plan.objects.select_related("platform")
    return Plan.objects.on_sale()


def _confirm(request: CustomerRequest, plan: Plan, renews: Subscription | None) -> HttpResponse:
    if request.method != "POST":
        return _confirm_page(request, plan, renews, _new_form(request, plan, renews))
    form = ConfirmForm(
        request.POST, plan=plan, asks_email=renews is None, asks_state=_asks_state(request)
    )
    if not form.is_valid():
        return _confirm_page(request, plan, renews, form)
    old_price_paise, error = None, ""
    try:
        quote = read_quote(form.cleaned_data["quote"], user=request.user, plan=plan, renews=renews)
        old_price_paise = quote.price_paise
        state_code = form.cleaned_data.get("state_code", "")
        if renews is None:
            email = form.cleaned_data.get("customer_email", "")
            order = place_order(
                user=request.user, quote=quote, customer_email=email, state_code=state_code
            )
        else:
            order = services.renew(user=request.user, quote=quote, state_code=state_code)
    except PriceChanged:
        return _confirm_page(
            request,
            plan,
            renews,
            _new_form(request, plan, renews),
            old_price_paise=old_price_paise,
        )
    except InsufficientBalance:
        # The page itself says what is missing.
        error = ""
    except (SoldOut, OrderRefused) as refusal:
        error = str(refusal)
    else:
        return redirect(f"{order.get_absolute_url()}?new=1")
    return _confirm_page(request, plan, renews, _new_form(request, plan, renews), error=error)


def _asks_state(request: CustomerRequest) -> bool:
    return bool(settings.SELLER_GSTIN) and not request.user.state_code


def _new_form(request: CustomerRequest, plan: Plan, renews: Subscription | None) -> ConfirmForm:
    email = request.POST.get("customer_email") or getattr(request.user, "email", "")
    quote = quote_for(user=request.user, plan=plan, renews=renews)
    return ConfirmForm(
        plan=plan,
        asks_email=renews is None,
        asks_state=_asks_state(request),
        initial={
            "quote": quote,
            "customer_email": email,
            "state_code": request.POST.get("state_code", ""),
        },
    )


def _confirm_page(
    request: CustomerRequest,
    plan: Plan,
    renews: Subscription | None,
    form: ConfirmForm,
    *,
    error: str = "",
    old_price_paise: int | None = None,
) -> HttpResponse:
    balance_paise = balance_of(request.user.pk)
    missing_paise = max(0, plan.price_paise - balance_paise)
    here = plan.buy_url if renews is None else renews.renew_url
    # Less than the smallest top-up would only be refused there.
    topup_paise = max(missing_paise, settings.TOPUP_MIN_PAISE)
    way_back = {"amount": plain_rupees(topup_paise), "next": here}
    context: dict[str, Any] = {
        "plan": plan,
        "form": form,
        "balance_paise": balance_paise,
        "balance_after_paise": None if missing_paise else balance_paise - plan.price_paise,
        "missing_paise": missing_paise,
        "topup_paise": topup_paise,
        "topup_url": f"{reverse('wallet:overview')}?{urlencode(way_back)}",
        "price_changed": old_price_paise is not None,
        "old_price_paise": old_price_paise,
        "error": error,
        "needs_email": "customer_email" in form.fields,
        "is_sold_out": renews is None and plan.is_sold_out,
        "renews": renews,
        "back_url": plan.get_absolute_url() if renews is None else renews.get_absolute_url(),
    }
    if renews is not None:
        context |= _renewal_terms(plan, renews)
    else:
        # The back button after buying shows this page anew, and pressing it again buys again.
        running = Subscription.objects.for_user(request.user).filter(
            plan=plan, state=Subscription.State.ACTIVE
        )
        context["owned"] = running.order_by("-created_at", "-pk").first()
    return render(request, "orders/confirm.html", context)


def _renewal_terms(plan: Plan, renews: Subscription) -> dict[str, Any]:
    """What the customer should see before paying for more days."""
    paid = renews.orders.order_by("-created_at").values_list("price_paise", flat=True).first()
    starts_at = max(renews.ends_at, timezone.now())
    return {
        "last_price_paise": paid if paid != plan.price_paise else None,
        "renewal_starts_at": starts_at if renews.delivered_at else None,
        "renewal_ends_at": starts_at + timedelta(days=plan.duration_days)
        if renews.delivered_at
        else None,
    }


@require_safe
@customer_required
def order_list(request: CustomerRequest) -> HttpResponse:
    """My orders, newest first."""
    orders, older_url, newer_url = page_by_time(request, Order.objects.for_user(request.user))
    context = {"orders": orders, "older_url": older_url, "newer_url": newer_url}
    return render(request, "orders/list.html", context)


@require_safe
@customer_required
def order_detail(request: CustomerRequest, number: str) -> HttpResponse:
    """One order of mine, with its progress, refunds and ledger entries."""
    mine = Order.objects.for_user(request.user)
    order = get_object_or_404(mine.select_related("subscription"), number=number.upper())
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
