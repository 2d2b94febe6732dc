"""The help pages, open to everybody."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from help_pages.facts import shop_facts
from help_pages.markup import render_markup
from help_pages.services import all_pages, find_page


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """What there is to read, and whom to ask."""
    return render(request, "help_pages/index.html", {"pages": all_pages()})


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """One page."""
    found = find_page(slug)
    if found is None:
        raise Http404
    context = {
        "page": found,
        "body": render_markup(found.shown_body, shop_facts()),
        "is_contact": slug == "contact",
    }
    return render(request, "help_pages/page.html", context)
