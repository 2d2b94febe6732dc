"""Pages of the customer's notices."""

from bson import ObjectId
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.decorators import CustomerRequest, customer_required
from notifications.models import Notification
from ottsonly.paging import page_by_id


@require_safe
@customer_required
def notification_list(request: CustomerRequest) -> HttpResponse:
    """My notices, newest first."""
    mine = Notification.objects.for_user(request.user)
    items, older_url, newer_url = page_by_id(request, mine)
    context = {
        "items": items,
        "unread_count": mine.unread().count(),
        "older_url": older_url,
        "newer_url": newer_url,
    }
    return render(request, "notifications/list.html", context)


@require_POST
@customer_required
def open_notification(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Mark one read and go where it points."""
    item = get_object_or_404(Notification.objects.for_user(request.user), pk=pk)
    Notification.objects.filter(pk=pk, read_at__isnull=True).update(read_at=timezone.now())
    return redirect(item.link or "notifications:list")


@require_POST
@customer_required
def read_all(request: CustomerRequest) -> HttpResponse:
    """Mark all of mine read."""
    Notification.objects.for_user(request.user).unread().update(read_at=timezone.now())
    return redirect("notifications:list")


@require_POST
@customer_required
def delete(request: CustomerRequest, pk: ObjectId) -> HttpResponse:
    """Delete one of mine."""
    get_object_or_404(Notification.objects.for_user(request.user), pk=pk).delete()
    return redirect("notifications:list")
