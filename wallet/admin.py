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
from wallet.models import (
    OpenItem,
    Recharge,
    SourceRefund,
    Wallet,
    WalletTransaction,
    WebhookEvent,
)
from wallet.open_items import close_open_item
from wallet.services import adjust_wallet
from wallet.source_refunds import request_source_refund


class AdjustForm(forms.Form):
    """How much is credited (or, below zero, debited) and why."""

    amount = RupeesField(label="Amount (₹, negative takes away)", allow_negative=True)
    reason = forms.CharField(max_length=200)
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)


class SourceRefundForm(forms.Form):
    """How much goes back to where it was paid from, and why."""

    amount = RupeesField(label="Amount (₹)", min_paise=100)
    reason = forms.CharField(max_length=200)
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)


class CloseItemForm(forms.Form):
    """What was done about it."""

    note = forms.CharField(max_length=200)


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
    readonly_fields = ("source_refund_link",)

    @admin.display(description="Refund")
    def source_refund_link(self, recharge: Recharge) -> str:
        if not recharge.refundable_paise:
            return "Nothing to give back"
        url = reverse("admin:wallet_recharge_source_refund", args=[recharge.pk])
        return format_html('<a href="{}">Give back to where it was paid from</a>', url)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.source_refund_view)
        own = path("<objectid:pk>/source-refund/", view, name="wallet_recharge_source_refund")
        return [own, *super().get_urls()]

    def source_refund_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Give unspent money back to its source, through the service."""
        if not request.user.has_perm("wallet.add_sourcerefund"):
            raise PermissionDenied
        recharge = get_object_or_404(Recharge.objects.select_related("user"), pk=pk)
        initial = {"key": secrets.token_urlsafe(16), "amount": recharge.refundable_paise}
        form = SourceRefundForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                refund = request_source_refund(
                    recharge=recharge,
                    amount_paise=form.cleaned_data["amount"],
                    reason=form.cleaned_data["reason"],
                    actor=request.user,
                    key=form.cleaned_data["key"],
                )
            except ShopError as refusal:
                form.add_error("amount", str(refusal))
            else:
                messages.success(request, refund.state_text)
                return redirect("admin:wallet_sourcerefund_change", refund.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _t("Give back to where it was paid from"),
            "form": form,
            "button": _t("Take from the wallet and give back"),
        }
        return render(request, "admin/command_form.html", context)

    @admin.display(description="Amount")
    def amount(self, recharge: Recharge) -> str:
        return format_rupees(recharge.amount_paise)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    """What Razorpay told us."""

    list_display = ("received_at", "type", "event_id", "state", "note")
    list_filter = ("state", "type")


@admin.register(SourceRefund)
class SourceRefundAdmin(ReadOnlyAdmin):
    """Money on its way back to its source; started on the top-up's page."""

    list_display = ("created_at", "user", "amount", "state", "attempts", "razorpay_refund_id")
    list_filter = ("state",)
    list_select_related = ("user",)
    search_fields = ("razorpay_refund_id__exact",)
    exclude = ("key",)

    @admin.display(description="Amount")
    def amount(self, refund: SourceRefund) -> str:
        return format_rupees(refund.amount_paise)


@admin.register(OpenItem)
class OpenItemAdmin(ReadOnlyAdmin):
    """Money that no document explains: dealt with by hand, then closed with a note."""

    list_display = ("created_at", "kind", "amount", "reference", "state", "note")
    list_filter = ("state", "kind")
    search_fields = ("reference__exact",)
    readonly_fields = ("close_link",)

    @admin.display(description="Amount")
    def amount(self, item: OpenItem) -> str:
        return format_rupees(item.amount_paise)

    @admin.display(description="Close")
    def close_link(self, item: OpenItem) -> str:
        if item.state == OpenItem.State.CLOSED:
            return "Closed"
        url = reverse("admin:wallet_openitem_close", args=[item.pk])
        return format_html('<a href="{}">Close this item with a note</a>', url)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.close_view)
        own = path("<objectid:pk>/close/", view, name="wallet_openitem_close")
        return [own, *super().get_urls()]

    def close_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Close, through the service."""
        if not request.user.has_perm("wallet.change_openitem"):
            raise PermissionDenied
        item = get_object_or_404(OpenItem, pk=pk)
        form = CloseItemForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                close_open_item(item=item, note=form.cleaned_data["note"], actor=request.user)
            except ShopError as refusal:
                form.add_error("note", str(refusal))
            else:
                messages.success(request, _t("The item was closed."))
                return redirect("admin:wallet_openitem_change", item.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _t("Close: %s") % item,
            "form": form,
            "button": _t("Close the item"),
        }
        return render(request, "admin/command_form.html", context)
