"""Wallets in the console: looked at here, moved only by the service."""

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

from ottsonly.admin import ReadOnlyAdmin
from ottsonly.errors import ShopError
from ottsonly.money import RupeesField, format_rupees
from wallet.models import Recharge, Wallet, WalletTransaction, WebhookEvent
from wallet.services import adjust_wallet


class AdjustForm(forms.Form):
    """How much is credited (or, below zero, debited) and why."""

    amount = RupeesField(label="Amount (₹, negative takes away)", allow_negative=True)
    reason = forms.CharField(max_length=200)
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    """Balances."""

    list_display = ("user", "balance", "sequence")
    list_select_related = ("user",)
    readonly_fields = ("adjust_link",)

    @admin.display(description="Balance", ordering="balance_paise")
    def balance(self, wallet: Wallet) -> str:
        return format_rupees(wallet.balance_paise)

    @admin.display(description="Adjust")
    def adjust_link(self, wallet: Wallet) -> str:
        url = reverse("admin:wallet_wallet_adjust", args=[wallet.pk])
        return format_html('<a href="{}">Credit or debit this wallet</a>', url)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.adjust_view)
        own = path("<objectid:pk>/adjust/", view, name="wallet_wallet_adjust")
        return [own, *super().get_urls()]

    def adjust_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Credit or debit, through the service."""
        if not request.user.has_perm("wallet.change_wallet"):
            raise PermissionDenied
        wallet = get_object_or_404(Wallet.objects.select_related("user"), pk=pk)
        form = AdjustForm(request.POST or None, initial={"key": secrets.token_urlsafe(16)})
        if request.method == "POST" and form.is_valid():
            try:
                adjust_wallet(
                    user=wallet.user,
                    amount_paise=form.cleaned_data["amount"],
                    reason=form.cleaned_data["reason"],
                    actor=request.user,
                    key=form.cleaned_data["key"],
                )
            except ShopError as refusal:
                form.add_error("amount", str(refusal))
            else:
                messages.success(request, _t("The wallet was changed."))
                return redirect("admin:wallet_wallet_change", wallet.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _t("Credit or debit a wallet"),
            "form": form,
            "button": _t("Change the balance"),
        }
        return render(request, "admin/command_form.html", context)


@admin.register(WalletTransaction)
class WalletTransactionAdmin(ReadOnlyAdmin):
    """The ledger."""

    list_display = (
        "created_at",
        "user",
        "amount",
        "balance_after",
        "reference_type",
        "description",
    )
    list_filter = ("reference_type",)
    list_select_related = ("user",)

    @admin.display(description="Amount")
    def amount(self, entry: WalletTransaction) -> str:
        return format_rupees(entry.amount_paise)

    @admin.display(description="Balance after")
    def balance_after(self, entry: WalletTransaction) -> str:
        return format_rupees(entry.balance_after_paise)


@admin.register(Recharge)
class RechargeAdmin(ReadOnlyAdmin):
    """Top-ups."""

    list_display = ("created_at", "user", "amount", "state", "source", "payment_id")
    list_filter = ("state", "source")
    list_select_related = ("user",)
    search_fields = ("razorpay_order_id__exact", "payment_id__exact")
    exclude = ("key", "return_url")

    @admin.display(description="Amount")
    def amount(self, recharge: Recharge) -> str:
        return format_rupees(recharge.amount_paise)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """What Razorpay told us."""

    list_display = ("received_at", "type", "event_id", "state", "note")
    list_filter = ("state", "type")
