"""Pages of the shop window."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.decorators import customer_required
from catalog import window
from catalog.errors import WatchRefused
from catalog.forms import PlanFilterForm
from catalog.models import Plan
from catalog.watches import is_watched, unwatch_plan, watch_plan


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The landing page."""
    plans = window.plans_on_sale()
    context = {
        "platforms": window.tiles(plans, reverse("catalog:plans")),
        "highlights": window.highlights(plans),
        "shelf_key": window.fingerprint(plans),
    }
    return render(request, "catalog/home.html", context)


@require_safe
def plan_list(request: HttpRequest) -> HttpResponse:
    """All plans, filtered; htmx asks for the results alone."""
    plans = window.plans_on_sale()
    choices = [(item.slug, item.name) for item in window.platforms_of(plans)]
    form: Any = SimpleLazyObject(lambda: PlanFilterForm(request.GET or None, platforms=choices))
    chosen: dict[str, Any] = {}
    if request.GET:
        # A bad field says so beside itself, and the good ones still count.
        form.is_valid()
        chosen = form.cleaned_data
    found = window.sections(plans, chosen)
    context = {
        "form": form,
        "sections": found,
        "total": sum(len(section.plans) for section in found),
        "is_filtered": any(chosen.values()) or bool(request.GET and form.errors),
        # Only the shelf that everybody sees first is kept, not what each visitor looks for.
        "shelf_key": None if request.GET else window.fingerprint(plans),
    }
    partial = request.headers.get("HX-Request") and not request.headers.get(
        "HX-History-Restore-Request"
    )
    context["is_partial"] = partial
    response = render(
        request, "catalog/_results.html" if partial else "catalog/plans.html", context
    )
    response["Vary"] = "HX-Request"
    return response


@require_safe
def plan_detail(request: HttpRequest, platform_slug: str, plan_slug: str) -> HttpResponse:
    """One plan with the others of its platform."""
    plan, siblings = _plan_and_siblings(platform_slug, plan_slug)
    is_staff = getattr(request.user, "is_staff", False)
    context = {
        "plan": plan,
        "siblings": siblings,
        "can_buy": not plan.is_sold_out and not is_staff,
        "can_watch": plan.is_sold_out and not is_staff,
        "is_watched": plan.is_sold_out and is_watched(user=request.user, plan=plan),
    }
    return render(request, "catalog/plan.html", context)


@require_POST
@customer_required
def watch(request: HttpRequest, platform_slug: str, plan_slug: str) -> HttpResponse:
    """Tell me, or do not tell me, when a sold-out plan is there again."""
    plan, _siblings = _plan_and_siblings(platform_slug, plan_slug)
    if request.POST.get("off"):
        unwatch_plan(user=request.user, plan=plan)
        messages.success(request, _("You will not be told."))
        return redirect(plan)
    try:
        watch_plan(user=request.user, plan=plan)
    except WatchRefused as refusal:
        messages.info(request, str(refusal))
    else:
        messages.success(request, _("You are told as soon as it is there again."))
    return redirect(plan)


def _plan_and_siblings(platform_slug: str, plan_slug: str) -> tuple[Plan, list[Plan]]:
    """Return a plan on sale and the others of its platform."""
    plans = [plan for plan in window.plans_on_sale() if plan.platform.slug == platform_slug]
    plan = next((plan for plan in plans if plan.slug == plan_slug), None)
    if plan is None:
        raise Http404
    return plan, [other for other in plans if other.pk != plan.pk]
