"""Platforms and plans in the console; stock changes by a delta only."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from unfold.views import ChangeList

from catalog.errors import ChangedMeanwhile
from catalog.models import Delivery, Plan, Platform, StockMovement
from catalog.services import (
    check_seen,
    duplicate_plan,
    fingerprint,
    restock,
    save_plan,
    save_platform,
    set_plan_active,
)
from console.figures import sold_by_plan
from console.hands import Work, counted, needs_hands
from ottsonly.admin import ConsoleAdmin, WindowedAdmin, chip, link_to
from ottsonly.admin_commands import Command, CommandForm, PageLink, dress
from ottsonly.money import RupeesField, format_rupees

SOLD_DAYS = 30
# More at once is a slip of the finger; so is a plan of more days, whose end no calendar may hold.
MOST_UNITS, MOST_DURATION_DAYS = 1_000_000, 3660


def full_name(plan: Plan) -> str:
    """Return the plan with its platform: "Year" alone is a plan of several."""
    return f"{plan.platform.name} {plan.name}"


def plan_link(plan: Plan) -> SafeString:
    return link_to(reverse("admin:catalog_plan_change", args=[plan.pk]), full_name(plan))


class PlanField(forms.ModelChoiceField):
    """Asks for a plan, by its full name and by platform."""

    def __init__(self, queryset: QuerySet, **options: Any) -> None:
        ordered = queryset.select_related("platform").order_by("platform__name", "name")
        super().__init__(queryset=ordered, label=_("Plan"), **options)

    def label_from_instance(self, plan: Any) -> str:
        return full_name(plan)


class PlanFilter(admin.RelatedFieldListFilter):
    """By plan, by its full name."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: Any
    ) -> list[tuple[Any, str]]:
        plans = Plan.objects.select_related("platform").order_by("platform__name", "name")
        return [(plan.pk, full_name(plan)) for plan in plans]


class SeenForm(forms.ModelForm):
    """Knows the document as the operator saw it, so that nobody's change is reverted unseen."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput, label="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.initial["seen"] = fingerprint(self.instance)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.instance._state.adding:
            try:
                check_seen(self.instance, cleaned.get("seen", ""))
            except ChangedMeanwhile as refusal:
                self.add_error(None, str(refusal))
        return cleaned


class SeenAdmin(ConsoleAdmin):
    """Refuses a form that was opened before somebody else's change."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except ChangedMeanwhile as refusal:
            # Between the look of the form and the write; the page shows the other's change.
            messages.error(request, str(refusal))
            return redirect(request.get_full_path())


@admin.register(Platform)
class PlatformAdmin(SeenAdmin):
    """Platforms: name, colour, mark, order."""

    form = SeenForm
    list_display = ("name", "slug", "hue", "mark", "position", "on_shelf")
    prepopulated_fields = {"slug": ["name"]}
    empty_text = _("No platform yet: add the first one, then its plans.")

    def save_model(self, request: HttpRequest, obj: Platform, form: Any, change: bool) -> None:
        seen = form.cleaned_data["seen"] if change else ""
        save_platform(platform=obj, actor=request.user, seen=seen)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = list(super().get_fields(request, obj))
        if not self.has_change_permission(request, obj):
            fields.remove("seen")
        return fields

    @admin.display(description=_("On the shelf"), ordering="is_active")
    def on_shelf(self, platform: Platform) -> SafeString:
        return shelf_chip(platform.is_active)


def shelf_chip(is_active: bool) -> SafeString:
    return chip(_("on sale"), "good") if is_active else chip(_("off the shelf"))


class PlanForm(SeenForm):
    """Prices are typed in rupees."""

    price = RupeesField(label=_("Price (₹)"), min_paise=100)
    list_price = RupeesField(label=_("List price (₹)"), required=False, min_paise=100)

    class Meta:
        model = Plan
        fields = [
            "platform",
            "name",
            "slug",
            "duration_days",
            "delivery",
            "description",
            "features",
            "low_stock_threshold",
            "rotate_after_seat",
            "is_active",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("price", "list_price"):
            dress(self.fields[name].widget)
        if self.instance.price_paise:
            self.initial["price"] = self.instance.price_paise
            self.initial["list_price"] = self.instance.list_price_paise

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        price, list_price = cleaned.get("price"), cleaned.get("list_price")
        if price and list_price is not None and list_price < price:
            self.add_error("list_price", _t("The list price is below the price."))
        if (cleaned.get("duration_days") or 0) > MOST_DURATION_DAYS:
            self.add_error("duration_days", _t("Enter at most %d days.") % MOST_DURATION_DAYS)
        return cleaned

    def save(self, commit: bool = True) -> Plan:
        self.instance.price_paise = self.cleaned_data["price"]
        self.instance.list_price_paise = self.cleaned_data["list_price"]
        return super().save(commit)


class RestockForm(CommandForm):
    """By how much the stock changes, and why."""

    delta = forms.IntegerField(
        label=_("Units to add (negative takes away)"),
        min_value=-MOST_UNITS,
        max_value=MOST_UNITS,
    )
    note = forms.CharField(label=_("Reason"), max_length=200)


class Restock(Command):
    """Change the stock by a delta: buyers are changing the number meanwhile."""

    name, label, button = "restock", _("Restock"), _("Change the stock")
    permission = "catalog.change_plan"
    form_class, error_field = RestockForm, "delta"
    document: Plan

    @property
    def title(self) -> str:
        return _t("Change the stock of %s") % self.document

    def facts(self) -> list[tuple[Any, Any]]:
        plan = self.document
        return [
            (_("Plan"), full_name(plan)),
            (_("Stock now"), plan.stock),
            (_("Low from"), plan.low_stock_threshold),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        restock(
            plan=self.document, delta=data["delta"], note=data["note"], actor=self.actor, key=key
        )
        return _t("The stock was changed.")


class DuplicateForm(CommandForm):
    """What the copy is called."""

    name = forms.CharField(label=_("Name of the copy"), max_length=80)
    slug = forms.SlugField(
        label=_("Short name in the address (slug)"),
        max_length=80,
        help_text=_("Small letters, digits and hyphens, such as premium-2-screens."),
    )


class Duplicate(Command):
    """Make a plan like this one."""

    name, label, button = "duplicate", _("Duplicate"), _("Make the copy")
    permission = "catalog.add_plan"
    form_class, error_field = DuplicateForm, "slug"
    document: Plan

    def initial(self) -> dict[str, Any]:
        return {"name": self.document.name, "slug": f"{self.document.slug}-2"}

    def facts(self) -> list[tuple[Any, Any]]:
        plan = self.document
        return [
            (_("Plan"), full_name(plan)),
            (_("The copy"), _t("is off the shelf and has no stock until you change that")),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        self.copy = duplicate_plan(plan=self.document, actor=self.actor, **data)
        return _t("This is the copy. Set its price, restock it, and put it on the shelf.")

    def next_url(self) -> str:
        return self.admin.document_url(getattr(self, "copy", self.document))


class PutOnSale(Command):
    """Put a plan on the shelf."""

    name, label, button = "activate", _("Put on sale"), _("Put on sale")
    permission = "catalog.change_plan"
    is_active: ClassVar[bool] = True
    document: Plan

    def is_offered(self) -> bool:
        return self.document.is_active != self.is_active

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [_t("Customers see the plan and can buy it while there is stock.")]

    def run(self, data: dict[str, Any], key: str) -> str:
        set_plan_active(plan=self.document, is_active=self.is_active, actor=self.actor)
        return _t("Done.")


class TakeOffSale(PutOnSale):
    """Take a plan off the shelf."""

    name, label, button = "deactivate", _("Take off the shelf"), _("Take off the shelf")
    is_active = False

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [
            _t("Nobody can buy it any more; subscriptions that run go on to their end."),
            _t("The stock stays as it is."),
        ]


class PlanChangeList(ChangeList):
    """The plans with what was sold of each: from the kept sums of days, by two commands."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        sold = sold_by_plan(SOLD_DAYS)
        plans = list(self.result_list)
        for plan in plans:
            plan.sold_lately = sold.get(str(plan.pk), 0)
        self.result_list = plans


class LowStockFilter(admin.SimpleListFilter):
    """Active plans at or below the number from which they count as low."""

    title, parameter_name = _("stock"), "low"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("1", _("low"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() != "1":
            return queryset
        return queryset.filter(is_active=True, stock__lte=F("low_stock_threshold"))


@admin.register(Plan)
class PlanAdmin(SeenAdmin):
    """Plans with their stock."""

    form = PlanForm
    list_display = (
        "name",
        "platform",
        "price",
        "duration_days",
        "stock_left",
        "sold",
        "days_left",
        "delivery",
        "on_shelf",
    )
    list_filter = ("platform", "is_active", "delivery", LowStockFilter)
    list_select_related = ("platform",)
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ("stock",)
    commands = [Restock, Duplicate, PutOnSale, TakeOffSale]
    sortable_by = ("name", "price", "duration_days")
    empty_text = _("No plan yet: add a platform first, then a plan.")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        editable = self.has_change_permission(request, obj)
        fields = [
            "platform",
            "name",
            "slug",
            # The fields of the form, or the rupees of these names below.
            "price",
            "list_price",
            "duration_days",
            "delivery",
            "stock",
            "low_stock_threshold",
            "description",
            "features",
            "rotate_after_seat",
            "is_active",
        ]
        if editable:
            fields.append("seen")
        return [(None, {"fields": fields})]

    def page_links(self, document: Any) -> list[PageLink]:
        moves = reverse("admin:catalog_stockmovement_changelist")
        trace = reverse("admin:ottsonly_auditevent_changelist")
        pool = reverse("admin:subscriptions_credential_changelist")
        links = [
            PageLink(_t("Every move of its stock"), f"{moves}?plan__id__exact={document.pk}"),
            PageLink(_t("Every change, its prices too"), f"{trace}?object_id={document.pk}"),
        ]
        if document.delivery != Delivery.CUSTOMER_EMAIL:
            links.append(PageLink(_t("Its accounts"), f"{pool}?plan__id__exact={document.pk}"))
        return links

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[PlanChangeList]:
        return PlanChangeList

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        save_plan(plan=obj, actor=request.user, seen=form.cleaned_data["seen"] if change else "")

    @admin.display(description=_("Stock"))
    def stock_left(self, plan: Plan) -> SafeString:
        is_low = plan.is_active and plan.stock <= plan.low_stock_threshold
        return chip(plan.stock, ("bad" if plan.is_sold_out else "warn") if is_low else "")

    @admin.display(description=_("Sold in 30 days"))
    def sold(self, plan: Any) -> int:
        return plan.sold_lately

    @admin.display(description=_("Days of stock left"))
    def days_left(self, plan: Any) -> str:
        """At the pace of the last 30 days, rounded down."""
        if not plan.sold_lately:
            return "–"
        return str(plan.stock * SOLD_DAYS // plan.sold_lately)

    @admin.display(description=_("On the shelf"))
    def on_shelf(self, plan: Plan) -> SafeString:
        return shelf_chip(plan.is_active)

    @admin.display(description=_("Price"), ordering="price_paise")
    def price(self, plan: Plan) -> str:
        return format_rupees(plan.price_paise)

    @admin.display(description=_("List price"))
    def list_price(self, plan: Plan) -> str:
        return "–" if plan.list_price_paise is None else format_rupees(plan.list_price_paise)


@admin.register(StockMovement)
class StockMovementAdmin(WindowedAdmin):
    """Every move of a stock."""

    list_display = ("created_at", "full_plan", "units", "reason", "note", "actor")
    list_filter = ("reason",)
    list_prefetch = ("plan__platform", "actor")
    narrow_parameters = ("plan__id__exact",)
    fields = (
        ("full_plan", "units"),
        ("reason", "note"),
        ("created_at", "actor"),
        "reference",
    )
    readonly_fields = ("full_plan", "units")
    empty_text = _("No stock moved in these days. Look further back.")

    @admin.display(description=_("Plan"))
    def full_plan(self, move: StockMovement) -> SafeString:
        return plan_link(move.plan)

    @admin.display(description=_("Units"))
    def units(self, move: StockMovement) -> str:
        return f"{move.delta:+d}"


needs_hands(
    Work(
        name="stock.low",
        title=_("Plans low on stock"),
        model=Plan,
        stages=lambda now: counted(
            {"is_active": True, "$expr": {"$lte": ["$stock", "$low_stock_threshold"]}}
        ),
        url=lambda: f"{reverse('admin:catalog_plan_changelist')}?low=1",
        permission="catalog.view_plan",
        order=40,
    )
)
