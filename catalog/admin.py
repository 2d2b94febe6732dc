"""Platforms and plans in the console; stock changes by a delta only."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from catalog.models import Plan, Platform, StockMovement
from catalog.services import restock
from console.hands import Work, counted, needs_hands
from ottsonly.admin import ConsoleAdmin, WindowedAdmin
from ottsonly.admin_commands import Command, CommandForm, dress
from ottsonly.money import RupeesField, format_rupees


@admin.register(Platform)
class PlatformAdmin(ConsoleAdmin):
    """Platforms: name, colour, mark, order."""

    list_display = ("name", "slug", "hue", "mark", "position", "is_active")
    prepopulated_fields = {"slug": ["name"]}
    empty_text = _("No platform yet: add the first one, then its plans.")


class PlanForm(forms.ModelForm):
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
        cleaned = super().clean() or {}
        price, list_price = cleaned.get("price"), cleaned.get("list_price")
        if price and list_price is not None and list_price < price:
            self.add_error("list_price", _t("The list price is below the price."))
        return cleaned

    def save(self, commit: bool = True) -> Plan:
        self.instance.price_paise = self.cleaned_data["price"]
        self.instance.list_price_paise = self.cleaned_data["list_price"]
        return super().save(commit)


class RestockForm(CommandForm):
    """By how much the stock changes, and why."""

    delta = forms.IntegerField(label=_("Units to add (negative takes away)"))
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
            (_("Plan"), f"{plan.platform} {plan.name}"),
            (_("Stock now"), plan.stock),
            (_("Low from"), plan.low_stock_threshold),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        restock(
            plan=self.document, delta=data["delta"], note=data["note"], actor=self.actor, key=key
        )
        return _t("The stock was changed.")


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
class PlanAdmin(ConsoleAdmin):
    """Plans with their stock."""

    form = PlanForm
    list_display = ("name", "platform", "price", "duration_days", "stock", "delivery", "is_active")
    list_filter = ("platform", "is_active", "delivery", LowStockFilter)
    list_select_related = ("platform",)
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ("stock",)
    commands = [Restock]
    empty_text = _("No plan yet: add a platform first, then a plan.")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        editable = self.has_change_permission(request, obj)
        fields = [
            "platform",
            "name",
            "slug",
            "price" if editable else "price_paise",
            "list_price" if editable else "list_price_paise",
            "duration_days",
            "delivery",
            "stock",
            "low_stock_threshold",
            "description",
            "features",
            "rotate_after_seat",
            "is_active",
        ]
        return [(None, {"fields": fields})]

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        # The stock is never written from this form: buyers are changing it meanwhile.
        if change:
            fields = [*form.Meta.fields, "price_paise", "list_price_paise"]
            obj.save(update_fields=fields)
        else:
            obj.save()

    @admin.display(description=_("Price"), ordering="price_paise")
    def price(self, plan: Plan) -> str:
        return format_rupees(plan.price_paise)


@admin.register(StockMovement)
class StockMovementAdmin(WindowedAdmin):
    """Every move of a stock."""

    list_display = ("created_at", "plan", "delta", "reason", "note", "actor")
    list_filter = ("reason",)
    list_prefetch = ("plan", "actor")
    narrow_parameters = ("plan__id__exact",)
    exclude = ("key",)
    empty_text = _("No stock moved in these days. Look further back.")


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
