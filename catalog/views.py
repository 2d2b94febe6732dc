"""Pages of the shop window."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from catalog import window
from catalog.forms import PlanFilterForm


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The landing page."""
    plans = window.plans_on_sale()
    context = {
        "platforms": window.tiles(plans, reverse("catalog:plans")),
        "highlights": window.highlights(plans),
    }
    return render(request, "catalog/home.html", context)


@require_safe
def plan_list(request: HttpRequest) -> HttpResponse:
    """All plans, filtered; htmx asks for the results alone."""
    plans = window.plans_on_sale()
    choices = [(item.slug, item.name) for item in window.platforms_of(plans)]
    form = PlanFilterForm(request.GET or None, platforms=choices)
    # A bad field says so beside itself, and the good ones still count.
    form.is_valid()
    chosen = form.cleaned_data if form.is_bound else {}
    found = window.sections(plans, chosen)
    context = {
        "form": form,
        "sections": found,
        "total": sum(len(section.plans) for section in found),
        "is_filtered": any(chosen.values()),
    }
    partial = request.headers.get("HX-Request") and not request.headers.get(
        "HX-History-Restore-Request"
    )
    response = render(
        request, "catalog/_results.html" if partial else "catalog/plans.html", context
    )
    response["Vary"] = "HX-Request"
    return response


@require_safe
def plan_detail(request: HttpRequest, platform_slug: str, plan_slug: str) -> HttpResponse:
    """One plan with the others of its platform."""
    plans = [plan for plan in window.plans_on_sale() if plan.platform.slug == platform_slug]
    plan = next((plan for plan in plans if plan.slug == plan_slug), None)
    if plan is None:
        raise Http404
    context = {
        "plan": plan,
        "siblings": [other for other in plans if other.pk != plan.pk],
        "can_buy": not plan.is_sold_out and not getattr(request.user, "is_staff", False),
    }
    return render(request, "catalog/plan.html", context)
