"""Platforms and plans in the console; stock changes by a delta only."""

import secrets
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _t

from catalog.errors import StockRefused
from catalog.models import Plan, Platform, StockMovement
from catalog.services import restock
from ottsonly.admin import ReadOnlyAdmin
from ottsonly.money import RupeesField, format_rupees


@admin.register(Platform)
class PlatformAdmin(admin.ModelAdmin):
    """Platforms: name, colour, mark, order."""

    list_display = ("name", "slug", "hue", "mark", "position", "is_active")
    prepopulated_fields = {"slug": ["name"]}
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What was sold refers to it: deactivate instead.
        return False


class PlanForm(forms.ModelForm):
    """Prices are typed in rupees."""

    price = RupeesField(label="Price (₹)", min_paise=100)
    list_price = RupeesField(label="List price (₹)", required=False, min_paise=100)

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


class RestockForm(forms.Form):
    """By how much the stock changes, and why."""

    delta = forms.IntegerField(label="Units to add (negative takes away)")
    note = forms.CharField(label="Reason", max_length=200)
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)


@admin.register(Plan)
class PlanAdmin(admin.ModelAdmin):
    """Plans with their stock."""

    form = PlanForm
    list_display = ("name", "platform", "price", "duration_days", "stock", "delivery", "is_active")
    list_filter = ("platform", "is_active", "delivery")
    list_select_related = ("platform",)
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ("stock", "restock_link")
    show_full_result_count = False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = [
            "platform",
            "name",
            "slug",
            "price_paise" if not self.has_change_permission(request, obj) else "price",
            "list_price_paise" if not self.has_change_permission(request, obj) else "list_price",
            "duration_days",
            "delivery",
            "stock",
            "restock_link",
            "low_stock_threshold",
            "description",
            "features",
            "rotate_after_seat",
            "is_active",
        ]
        return [(None, {"fields": fields})]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        # The stock is never written from this form: buyers are changing it meanwhile.
        if change:
            fields = [*form.Meta.fields, "price_paise", "list_price_paise"]
            obj.save(update_fields=fields)
        else:
            obj.save()

    @admin.display(description="Price", ordering="price_paise")
    def price(self, plan: Plan) -> str:
        return format_rupees(plan.price_paise)

    @admin.display(description="Restock")
    def restock_link(self, plan: Plan) -> str:
        if plan.pk is None or plan._state.adding:
            return _t("Save the plan first.")
        url = reverse("admin:catalog_plan_restock", args=[plan.pk])
        return format_html('<a href="{}">Change the stock</a>', url)

    def get_urls(self) -> list[URLPattern]:
        route = "<objectid:pk>/restock/"
        view = self.admin_site.admin_view(self.restock_view)
        return [path(route, view, name="catalog_plan_restock"), *super().get_urls()]

    def restock_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Change the stock by a delta, through the service."""
        plan = get_object_or_404(Plan, pk=pk)
        if not self.has_change_permission(request, plan):
            raise PermissionDenied
        form = RestockForm(request.POST or None, initial={"key": secrets.token_urlsafe(16)})
        if request.method == "POST" and form.is_valid():
            try:
                restock(plan=plan, actor=request.user, **form.cleaned_data)
            except StockRefused as refusal:
                form.add_error("delta", str(refusal))
            else:
                messages.success(request, _t("The stock was changed."))
                return redirect("admin:catalog_plan_change", plan.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _t("Change the stock of %s") % plan,
            "form": form,
            "button": _t("Change the stock"),
        }
        return render(request, "admin/command_form.html", context)


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    """Every move of a stock."""

    list_display = ("created_at", "plan", "delta", "reason", "note", "actor")
    list_filter = ("reason",)
    list_select_related = ("plan", "actor")
