"""Pages of the console besides those of the rooms' documents."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from console.find import find


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
