"""Pages of the console besides those of the rooms' documents."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from accounts.permissions import EXPORT
from console.exports import EXPORTS, stream
from console.figures import india_today, start_of
from console.find import find
from ottsonly.admin_commands import CommandForm
from ottsonly.audit import record_event
from ottsonly.mongo import in_transaction

MOST_DAYS = 366
# No shop is older, and no day of it lies further ahead.
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)


@require_safe
def find_view(request: HttpRequest) -> HttpResponse:
    """Lead to what the search box names, or say that nothing bears it."""
    if not request.user.has_perm("accounts.view_user"):
        raise PermissionDenied
    text = request.GET.get("q", "")[:100]
    found = find(text)
    if found.url:
        return redirect(found.url)
    context = {
        **admin.site.each_context(request),
        "title": _("Find"),
        "find_query": text,
        "people": found.people,
    }
    return render(request, "admin/find.html", context)


class ExportForm(CommandForm):
    """What is taken out, and of which days."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What"),
        choices=[(export.slug, export.title) for export in EXPORTS.values()],
    )
    first = forms.DateField(
        label=gettext_lazy("From"), widget=forms.DateInput(attrs={"type": "date"})
    )
    last = forms.DateField(
        label=gettext_lazy("Up to and with"), widget=forms.DateInput(attrs={"type": "date"})
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("first", "last"):
            day = cleaned.get(name)
            if day and not FIRST_DAY <= day <= LAST_DAY:
                self.add_error(name, _("Enter a day from 2000 on."))
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", _("The last day is before the first."))
        elif first and last and (last - first).days >= MOST_DAYS:
            self.add_error("last", _("Take %d days at most at once.") % MOST_DAYS)
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
def export_view(request: HttpRequest) -> HttpResponseBase:
    """Hand out documents as CSV, streamed; who took what is recorded before the first line."""
    if not request.user.has_perm(EXPORT):
        raise PermissionDenied
    today = india_today()
    initial = {"first": today.replace(day=1).isoformat(), "last": today.isoformat()}
    form = ExportForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        taken = {name: str(data[name]) for name in ("kind", "first", "last")}
        in_transaction(
            lambda: record_event(
                actor=request.user, action="console.export", target=None, after=taken
            )
        )
        lines = stream(
            EXPORTS[data["kind"]],
            start_of(data["first"]),
            start_of(data["last"] + timedelta(days=1)),
        )
        name = f"{data['kind']}-{data['first']}-{data['last']}.csv"
        return StreamingHttpResponse(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store, private",
            },
        )
    context = {**admin.site.each_context(request), "title": _("Export"), "form": form}
    status = 400 if form.is_bound else 200
    return render(request, "admin/export.html", context, status=status)
