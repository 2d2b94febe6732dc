"""Orders in the console: deliver and refund, through the services."""

import secrets
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _t

from orders.models import Order, Refund
from orders.refunds import refund_order
from orders.services import deliver
from ottsonly.admin import ReadOnlyAdmin
from ottsonly.errors import ShopError
from ottsonly.money import RupeesField, format_rupees


class RefundForm(forms.Form):
    """How much goes back to the wallet, and why."""

    amount = RupeesField(label="Amount (₹)", min_paise=1)
    reason = forms.CharField(max_length=200)
    take_back = forms.BooleanField(
        label="End what this order bought and mark it refunded", required=False, initial=True
    )
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders, newest first."""

    list_display = ("number", "created_at", "user", "platform_name", "plan_name", "price", "state")
    list_filter = ("state", "platform_name", "delivery")
    list_select_related = ("user",)
    search_fields = ("number__exact",)
    actions = ["deliver_orders"]
    exclude = ("key", "hue", "mark")
    readonly_fields = ("refund_link",)

    @admin.display(description="Price", ordering="price_paise")
    def price(self, order: Order) -> str:
        return format_rupees(order.price_paise)

    @admin.display(description="Refund")
    def refund_link(self, order: Order) -> str:
        url = reverse("admin:orders_order_refund", args=[order.pk])
        return format_html('<a href="{}">Refund this order</a>', url)

    def has_command_permission(self, request: HttpRequest) -> bool:
        """Only those who may change orders may run commands on them; support may not."""
        return request.user.has_perm("orders.change_order")

    @admin.action(
        description="Deliver (assign a free seat, or mark the invitation sent)",
        permissions=["command"],
    )
    def deliver_orders(self, request: HttpRequest, queryset: QuerySet) -> None:
        for order in queryset:
            try:
                deliver(order=order, actor=request.user)
            except ShopError as refusal:
                messages.error(request, f"{order.number}: {refusal}")
            else:
                messages.success(request, _t("%s was delivered.") % order.number)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.refund_view)
        own = path("<objectid:pk>/refund/", view, name="orders_order_refund")
        return [own, *super().get_urls()]

    def refund_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Refund to the wallet, in full or in part."""
        if not self.has_command_permission(request):
            raise PermissionDenied
        order = get_object_or_404(Order, pk=pk)
        initial = {"key": secrets.token_urlsafe(16), "amount": order.refundable_paise}
        form = RefundForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                refund_order(
                    order=order,
                    amount_paise=data["amount"],
                    reason=data["reason"],
                    actor=request.user,
                    key=data["key"],
                    take_back=data["take_back"],
                )
            except ShopError as refusal:
                form.add_error("amount", str(refusal))
            else:
                messages.success(request, _t("The refund is in the customer's wallet."))
                return redirect("admin:orders_order_change", order.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _t("Refund order %s") % order.number,
            "form": form,
            "button": _t("Refund"),
        }
        return render(request, "admin/command_form.html", context)


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Refunds that were given."""

    list_display = ("created_at", "order", "amount", "reason", "actor")
    list_select_related = ("order", "actor")
    exclude = ("key",)

    @admin.display(description="Amount")
    def amount(self, refund: Refund) -> str:
        return format_rupees(refund.amount_paise)
