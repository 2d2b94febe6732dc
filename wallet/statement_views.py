"""Pages of the statement: to read, to print, to open in a spreadsheet."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.decorators import CustomerRequest, customer_required
from ottsonly.csv_export import csv_lines
from ottsonly.error_pages import too_many_requests
from ottsonly.limits import allow
from wallet.forms import StatementForm
from wallet.models import KINDS
from wallet.statements import (
    PRINT_MOST,
    Selection,
    csv_rows,
    figures_of,
    month_figures,
    quiet_figures,
    statement_page,
)

EXPORTS_PER_HOUR = 30
HOUR = 3600


@require_safe
@never_cache
@customer_required
def statement(request: CustomerRequest) -> HttpResponse:
    """Every movement of my money, newest first."""
    form, selection = _selection(request)
    figures = month_figures(selection) if selection.month else None
    lines = selection.lines
    if selection.month and figures is None:
        figures, lines = quiet_figures(selection), lines.none()
    page = statement_page(
        lines, before=request.GET.get("before", ""), after=request.GET.get("after", "")
    )
    query = urlencode(selection.query)
    context = {
        "entries": page.entries,
        "older_url": _page_url("before", page.older_than, selection),
        "newer_url": _page_url("after", page.newer_than, selection),
        "form": form,
        "figures": figures or figures_of(page.entries),
        "figures_title": _figures_title(selection, page.entries),
        "is_one_kind": bool(selection.kind),
        "csv_url": f"{reverse('wallet:statement_csv')}?{query}",
        "print_url": f"{reverse('wallet:statement_print')}?{query}",
    }
    return render(request, "wallet/statement.html", context)


def _selection(request: CustomerRequest) -> tuple[StatementForm, Selection]:
    """Return the form as sent and what it selects; what is not valid selects everything."""
    form = StatementForm(request.GET)
    form.is_valid()
    chosen = {name: form.cleaned_data.get(name) or "" for name in ("kind", "month")}
    return form, Selection(user=request.user, **chosen)


def _figures_title(selection: Selection, entries: list[Any]) -> str:
    if selection.month:
        return selection.period_text
    if not entries:
        return ""
    if len(entries) == 1:
        return _("Line %(number)s") % {"number": entries[0].sequence}
    span = {"first": entries[-1].sequence, "last": entries[0].sequence}
    return _("Lines %(first)s to %(last)s") % span


def _page_url(name: str, edge: int | None, selection: Selection) -> str:
    return "" if edge is None else "?" + urlencode({**selection.query, name: edge})


@require_safe
@never_cache
@customer_required
def statement_print(request: CustomerRequest) -> HttpResponse:
    """One period on paper, oldest line first."""
    if not _may_export(request):
        return _too_many(request)
    _form, selection = _selection(request)
    newest_first = list(selection.lines.order_by("-sequence")[: PRINT_MOST + 1])
    is_too_long = len(newest_first) > PRINT_MOST
    figures = None if is_too_long else figures_of(newest_first)
    if selection.month and not is_too_long:
        # The lines in hand, of one kind, do not tell where the month began and ended.
        figures = month_figures(selection) or quiet_figures(selection)
    context = {
        "entries": [] if is_too_long else newest_first[::-1],
        "figures": figures,
        "is_too_long": is_too_long,
        "most": PRINT_MOST,
        "selection": selection,
        "kind_text": KINDS.get(selection.kind, ""),
        "printed_at": timezone.now(),
        "back_url": f"{reverse('wallet:statement')}?{urlencode(selection.query)}",
        "seller": {
            "name": settings.SELLER_NAME,
            "address": settings.SELLER_ADDRESS,
            "gstin": settings.SELLER_GSTIN,
        },
    }
    return render(request, "wallet/statement_print.html", context)


@require_safe
@never_cache
@customer_required
def statement_csv(request: CustomerRequest) -> HttpResponseBase:
    """The lines for a spreadsheet, oldest first, streamed while they are read."""
    if not _may_export(request):
        return _too_many(request)
    _form, selection = _selection(request)
    name = f"{settings.SHOP_NAME.lower()}-statement-{selection.month or 'all'}.csv"
    return StreamingHttpResponse(
        csv_lines(csv_rows(selection.lines)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _may_export(request: CustomerRequest) -> bool:
    return allow(f"statement:{request.user.pk}", limit=EXPORTS_PER_HOUR, seconds=HOUR)


def _too_many(request: HttpRequest) -> HttpResponse:
    return too_many_requests(
        request,
        _("You took many statements within an hour. Your money is not affected; try again later."),
        seconds=HOUR,
    )
