"""Pages of the customer's subscriptions."""

from bson import ObjectId
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from accounts.decorators import CustomerRequest, customer_required
from ottsonly.paging import page_by_time
from ottsonly.requests import client_ip
from subscriptions.errors import NotDelivered
from subscriptions.models import Subscription
from subscriptions.services import reveal_credentials


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
    subscription = get_object_or_404(Subscription.objects.for_user(request.user), pk=pk)
    return _page(request, subscription)


@require_POST
@customer_required
@never_cache
# All variables: those of what it calls are hidden with them, whatever their names.
@sensitive_variables()
def reveal(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Show the login details: recorded, and kept by no cache."""
    subscription = get_object_or_404(
        Subscription.objects.for_user(request.user).select_related("credential"), pk=pk
    )
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


def _page(
    request: HttpRequest,
    subscription: Subscription,
    *,
    credentials: dict[str, str] | None = None,
    template: str | None = None,
) -> HttpResponse:
    context = {
        "subscription": subscription,
        "orders": list(subscription.orders.order_by("-pk")),
        "credentials": credentials,
    }
    return render(request, template or "subscriptions/detail.html", context)
