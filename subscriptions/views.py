"""Pages of the customer's subscriptions."""

from datetime import timedelta

from bson import ObjectId
from django.conf import settings
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.decorators import CustomerRequest, customer_required
from ottsonly.error_pages import too_many_requests
from ottsonly.limits import allow
from ottsonly.paging import page_by_time
from ottsonly.requests import client_ip
from subscriptions.errors import AutoRenewRefused, NotDelivered, ProblemRefused
from subscriptions.forms import ProblemForm
from subscriptions.lifecycle import FIRST_TRY_DAYS, set_auto_renew
from subscriptions.models import Subscription
from subscriptions.problems import latest_report, report_problem
from subscriptions.services import reveal_credentials

HOUR = 3600
PRICE_SALT = "subscriptions.auto_renew"


@require_safe
@customer_required
def subscription_list(request: CustomerRequest) -> HttpResponse:
    """My subscriptions: those that run first."""
    found, older_url, newer_url = page_by_time(request, Subscription.objects.for_user(request.user))
    context = {
        "active": [item for item in found if item.is_running()],
        "ended": [item for item in found if not item.is_running()],
        "older_url": older_url,
        "newer_url": newer_url,
    }
    return render(request, "subscriptions/list.html", context)


@require_safe
@customer_required
def subscription_detail(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """One subscription of mine, without its secrets."""
    return _page(request, _mine(request, pk))


@require_POST
@customer_required
def auto_renew(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Switch the automatic renewal; switching on agrees to the price that the page showed."""
    subscription = _mine(request, pk)
    is_on = request.POST.get("on") == "1"
    try:
        shown_paise = _shown_price(subscription, request.POST.get("price", "")) if is_on else 0
        set_auto_renew(
            subscription=subscription, user=request.user, is_on=is_on, shown_paise=shown_paise
        )
    except AutoRenewRefused as refusal:
        messages.error(request, str(refusal))
    else:
        told = (
            _("It renews by itself now.") if is_on else _("It does not renew by itself any more.")
        )
        messages.success(request, told)
    return redirect(subscription)


def _mine(request: CustomerRequest, pk: ObjectId) -> Subscription:
    mine = Subscription.objects.for_user(request.user)
    return get_object_or_404(mine.select_related("plan__platform", "credential"), pk=pk)


def signed_price(subscription: Subscription) -> str:
    """Return the price that the page shows, so that no other can be agreed to."""
    return signing.dumps(subscription.plan.price_paise, salt=f"{PRICE_SALT}:{subscription.pk}")


def _shown_price(subscription: Subscription, text: str) -> int:
    """Return the price that the page showed for this subscription."""
    salt = f"{PRICE_SALT}:{subscription.pk}"
    try:
        return int(signing.loads(text, salt=salt, max_age=settings.QUOTE_LIFETIME_SECONDS))
    except signing.BadSignature:
        raise AutoRenewRefused(_("This page was open too long. Please look at it again.")) from None


@require_POST
@customer_required
@never_cache
# All variables: those of what it calls are hidden with them, whatever their names.
@sensitive_variables()
def reveal(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Show the login details: recorded, and kept by no cache."""
    subscription = _mine(request, pk)
    if not allow(f"reveal:{request.user.pk}", limit=settings.REVEALS_PER_HOUR, seconds=HOUR):
        response = too_many_requests(request, seconds=HOUR)
        if request.headers.get("HX-Request"):
            # An answer of this status is not put into the page, but this is followed.
            messages.error(request, _("You looked very often. Please try again in an hour."))
            response["HX-Redirect"] = subscription.get_absolute_url()
        return response
    try:
        credentials = reveal_credentials(
            subscription=subscription, user=request.user, ip=client_ip(request)
        )
    except NotDelivered:
        credentials = None
    return _page(
        request,
        subscription,
        credentials=credentials,
        template="subscriptions/_credentials.html" if request.headers.get("HX-Request") else None,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@customer_required
def report(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Say that it does not work; read again, it is the page of the subscription."""
    subscription = get_object_or_404(Subscription.objects.for_user(request.user), pk=pk)
    if request.method != "POST":
        return redirect(subscription)
    form = ProblemForm(request.POST, subscription=subscription)
    if not form.is_valid():
        return _page(request, subscription, problem_form=form)
    try:
        report_problem(subscription=subscription, user=request.user, **form.cleaned_data)
    except ProblemRefused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, subscription, problem_form=form)
    return redirect(f"{subscription.get_absolute_url()}#problem")


def _page(
    request: HttpRequest,
    subscription: Subscription,
    *,
    credentials: dict[str, str] | None = None,
    template: str | None = None,
    problem_form: ProblemForm | None = None,
) -> HttpResponse:
    report = latest_report(subscription)
    can_report = subscription.can_report_problem and not (report and report.is_open)
    context = {
        "subscription": subscription,
        "orders": list(subscription.orders.order_by("-pk")),
        "credentials": credentials,
        "can_auto_renew": subscription.is_running() and subscription.plan_is_sold,
        "signed_price": signed_price(subscription),
        "renewal_from": subscription.ends_at - timedelta(days=FIRST_TRY_DAYS),
        "report": report,
        "problem_form": problem_form or (can_report and ProblemForm(subscription=subscription)),
    }
    return render(request, template or "subscriptions/detail.html", context)
