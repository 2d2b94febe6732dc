"""The papers of a customer, to print or as PDF."""

from bson import ObjectId
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.decorators import CustomerRequest, customer_required
from invoices.papers import Paper, order_paper, recharge_paper, refund_paper
from invoices.pdf import render_pdf
from orders.models import Order, Refund
from ottsonly.error_pages import too_many_requests
from ottsonly.limits import allow
from wallet.models import Recharge

HOUR = 3600


@require_safe
@never_cache
@customer_required
def order(request: CustomerRequest, pk: ObjectId, *, pdf: bool = False) -> HttpResponse:
    """The tax invoice of an order of mine, or its receipt."""
    mine = Order.objects.for_user(request.user).select_related("user")
    return respond(request, order_paper(get_object_or_404(mine, pk=pk)), pdf=pdf)


@require_safe
@never_cache
@customer_required
def refund(request: CustomerRequest, pk: ObjectId, *, pdf: bool = False) -> HttpResponse:
    """The credit note of a refund of mine, or a note of it."""
    found = get_object_or_404(Refund, pk=pk)
    mine = Order.objects.for_user(request.user).select_related("user")
    found.order = get_object_or_404(mine, pk=found.order_id)
    return respond(request, refund_paper(found), pdf=pdf)


@require_safe
@never_cache
@customer_required
def recharge(request: CustomerRequest, pk: ObjectId, *, pdf: bool = False) -> HttpResponse:
    """The receipt of a completed top-up of mine."""
    mine = Recharge.objects.for_user(request.user).select_related("user")
    completed = get_object_or_404(mine, pk=pk, state=Recharge.State.COMPLETED)
    return respond(request, recharge_paper(completed), pdf=pdf)


def respond(request: HttpRequest, paper: Paper, *, pdf: bool) -> HttpResponse:
    """Show a paper that the visitor may see, or hand it over as a file."""
    if not pdf:
        return render(request, "invoices/paper.html", {"paper": paper})
    if not allow(f"pdf:{request.user.pk}", limit=settings.PDFS_PER_HOUR, seconds=HOUR):
        return too_many_requests(request, seconds=HOUR)
    response = HttpResponse(render_pdf(paper), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{paper.filename}"'
    return response
