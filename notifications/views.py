"""Pages of the customer's notices."""

from datetime import datetime
from urllib.parse import urlencode

from bson import ObjectId
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.decorators import CustomerRequest, customer_required
from notifications.models import Notification
from ottsonly.paging import page_by_time


@require_safe
@never_cache
@customer_required
def notification_list(request: CustomerRequest) -> HttpResponse:
    """My notices, newest first."""
    mine = Notification.objects.for_user(request.user)
    items, older_url, newer_url = page_by_time(request, mine)
    context = {
        "items": items,
        "seen_until": timezone.now().isoformat(),
        "older_url": older_url,
        "newer_url": newer_url,
    }
    return render(request, "notifications/list.html", context)


def _back_to_list(request: CustomerRequest) -> HttpResponse:
    """Return to the page of the list that the button was on."""
    edge = {name: request.POST[name] for name in ("before", "after") if request.POST.get(name)}
    address = reverse("notifications:list")
    return redirect(f"{address}?{urlencode(edge)}" if edge else address)


@require_POST
@customer_required
def open_notification(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Mark one read and go where it points."""
    item = get_object_or_404(Notification.objects.for_user(request.user), pk=pk)
    Notification.objects.filter(pk=pk, read_at__isnull=True).update(read_at=timezone.now())
    return redirect(item.link) if item.link else _back_to_list(request)


@require_POST
@customer_required
def read_all(request: CustomerRequest) -> HttpResponse:
    """Mark as read what was there when the page was shown: what came since was not seen yet."""
    unread = Notification.objects.for_user(request.user).unread()
    until = _moment(request.POST.get("seen_until", ""))
    if until is not None:
        unread = unread.filter(created_at__lte=until)
    unread.update(read_at=timezone.now())
    return _back_to_list(request)


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    # The ends of the calendar have no time in UTC.
    possible = moment is not None and timezone.is_aware(moment) and 1 < moment.year < 9999
    return moment if possible else None


@require_POST
@customer_required
def delete(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Delete one of mine; a second click finds it gone and says so."""
    deleted, _kinds = Notification.objects.for_user(request.user).filter(pk=pk).delete()
    if deleted:
        messages.success(request, _("The notice was deleted."))
    elif Notification.objects.filter(pk=pk).exists():
        raise Http404
    else:
        messages.info(request, _("The notice was deleted already."))
    return _back_to_list(request)
