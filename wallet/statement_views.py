"""Pages of the statement."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.decorators import CustomerRequest, customer_required
from wallet.forms import StatementForm
from wallet.models import WalletTransaction
from wallet.services import balance_of
from wallet.statements import month_bounds, statement_page


@require_safe
@customer_required
def statement(request: CustomerRequest) -> HttpResponse:
    """Every movement of my money, newest first."""
    entries = WalletTransaction.objects.for_user(request.user)
    form = StatementForm(request.GET)
    form.is_valid()
    kind, month = form.cleaned_data.get("kind"), form.cleaned_data.get("month")
    if kind:
        entries = entries.filter(reference_type=kind)
    if month:
        first, following = month_bounds(month)
        entries = entries.filter(created_at__gte=first, created_at__lt=following)
    page = statement_page(
        entries, before=request.GET.get("before", ""), after=request.GET.get("after", "")
    )
    chosen = {"kind": kind, "month": month}
    context = {
        "entries": page.entries,
        "older_url": _page_url("before", page.older_than, chosen),
        "newer_url": _page_url("after", page.newer_than, chosen),
        "form": form,
        "balance_paise": balance_of(request.user.pk),
    }
    return render(request, "wallet/statement.html", context)


def _page_url(name: str, edge: int | None, chosen: dict[str, Any]) -> str:
    if edge is None:
        return ""
    return "?" + urlencode({key: value for key, value in chosen.items() if value} | {name: edge})
