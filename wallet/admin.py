"""Payments in the console: looked at here, moved only by the services."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.admin import UserAdmin, by_person
from accounts.models import User
from ottsonly.admin import ReadOnlyAdmin, WindowedAdmin, chip, link_to, rupees
from ottsonly.admin_commands import Command, CommandForm
from ottsonly.money import RupeesField, format_rupees
from wallet import admin_razorpay
from wallet.errors import AdjustmentRefused, InsufficientBalance
from wallet.models import (
    KINDS,
    Recharge,
    Wallet,
    WalletTransaction,
)
from wallet.services import adjust_wallet, balance_of
from wallet.source_refunds import check_source_refund, request_source_refund

# Found by Django here, which reads only this file of the room.
__all__ = ["admin_razorpay"]

CREDIT, DEBIT = "credit", "debit"
# Above this a slip of the finger is likelier than a wish.
MOST_BY_HAND_PAISE = 1_00_000_00


class AdjustForm(CommandForm):
    """How much goes in or out, and why."""

    direction = forms.ChoiceField(
        label=_("What"),
        choices=[(CREDIT, _("Credit: put money in")), (DEBIT, _("Debit: take money out"))],
    )
    amount = RupeesField(label=_("Amount (₹)"), min_paise=1, max_paise=MOST_BY_HAND_PAISE)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=200,
        help_text=_("The customer reads it on the statement."),
    )


class AdjustWallet(Command):
    """Credit or debit a customer's wallet by hand."""

    name, label = "wallet", _("Credit or debit")
    button = _("Change the balance")
    permission = "wallet.change_wallet"
    form_class, confirms, error_field = AdjustForm, True, "amount"
    document: User

    def is_offered(self) -> bool:
        # Staff buy nothing and have no wallet.
        return self.document.role == User.Role.USER

    def facts(self) -> list[tuple[Any, Any]]:
        user = self.document
        return [
            (_("Customer"), user.display_name),
            (_("Phone"), user.phone_display),
            (_("Balance now"), format_rupees(balance_of(user.pk))),
        ]

    def _signed_paise(self, data: dict[str, Any]) -> int:
        return data["amount"] if data["direction"] == CREDIT else -data["amount"]

    def effects(self, data: dict[str, Any]) -> list[str]:
        change, balance = self._signed_paise(data), balance_of(self.document.pk)
        words = {"amount": format_rupees(abs(change)), "who": self.document.display_name}
        if change > 0:
            first = _t("%(amount)s goes into the wallet of %(who)s.") % words
        else:
            first = _t("%(amount)s is taken from the wallet of %(who)s.") % words
        after = _t("The balance goes from %(before)s to %(after)s.") % {
            "before": format_rupees(balance),
            "after": format_rupees(balance + change),
        }
        return [first, after, _t("Reason on the statement: %s") % data["reason"]]

    def check(self, data: dict[str, Any]) -> None:
        balance_paise = balance_of(self.document.pk)
        if balance_paise + self._signed_paise(data) < 0:
            raise _too_little(balance_paise)

    def run(self, data: dict[str, Any], key: str) -> str:
        try:
            entry = adjust_wallet(
                user=self.document,
                amount_paise=self._signed_paise(data),
                reason=data["reason"],
                actor=self.actor,
                key=key,
            )
        except InsufficientBalance as error:
            # Its own sentence is for the customer.
            raise _too_little(error.balance_paise) from error
        return _t("Done. The balance is %s now.") % format_rupees(entry.balance_after_paise)


def _too_little(balance_paise: int) -> AdjustmentRefused:
    return AdjustmentRefused(_t("The wallet holds only %s.") % format_rupees(balance_paise))


# It is done on the page of the person, where the balance is looked at.
UserAdmin.commands.insert(0, AdjustWallet)


class SourceRefundForm(CommandForm):
    """How much goes back to where it was paid from, and why."""

    amount = RupeesField(label=_("Amount (₹)"), min_paise=100)
    reason = forms.CharField(label=_("Reason"), max_length=200)


class RefundToSource(Command):
    """Give unspent money of a top-up back to where it was paid from."""

    name, label = "source_refund", _("Give back to its source")
    button = _("Take from the wallet and give back")
    permission = "wallet.add_sourcerefund"
    form_class, confirms, error_field, danger = SourceRefundForm, True, "amount", True
    document: Recharge

    def is_offered(self) -> bool:
        return self.document.refundable_paise > 0

    def initial(self) -> dict[str, Any]:
        return {"amount": self.document.refundable_paise}

    def facts(self) -> list[tuple[Any, Any]]:
        recharge = self.document
        return [
            (_("Customer"), recharge.user),
            (_("Paid in"), format_rupees(recharge.amount_paise)),
            (_("Can be given back"), format_rupees(recharge.refundable_paise)),
            (_("Balance now"), format_rupees(balance_of(recharge.user_id))),
        ]

    def effects(self, data: dict[str, Any]) -> list[str]:
        amount = format_rupees(data["amount"])
        return [
            _t("%s is taken from the wallet now.") % amount,
            _t("Razorpay sends it to the account or card it came from, usually in 5 to 7 days."),
        ]

    def check(self, data: dict[str, Any]) -> None:
        check_source_refund(
            recharge=self.document,
            amount_paise=data["amount"],
            balance_paise=balance_of(self.document.user_id),
        )

    def run(self, data: dict[str, Any], key: str) -> str:
        refund = request_source_refund(
            recharge=self.document,
            amount_paise=data["amount"],
            reason=data["reason"],
            actor=self.actor,
            key=key,
        )
        return refund.state_text


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    """Balances; a wallet is found by its owner."""

    list_display = ("user", "balance", "sequence")
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    empty_text = _("Search for a customer by phone or e-mail to see the wallet.")
    fields = ("user", "balance", "sequence")
    readonly_fields = ("balance",)
    ordering = ("pk",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        filters = by_person(search_term, "pk") if search_term.strip() else None
        return (queryset.filter(**filters) if filters else queryset.none()), False

    balance = rupees("balance_paise", _("Balance"))


@admin.register(WalletTransaction)
class WalletTransactionAdmin(WindowedAdmin):
    """The ledger."""

    list_display = (
        "created_at",
        "user",
        "kind",
        "amount",
        "balance_after",
        "description",
        "actor",
    )
    list_prefetch = ("user", "actor")
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    narrow_parameters = ("user__id__exact",)
    empty_text = _("No money moved in these days. Look further back.")
    fields = (
        "created_at",
        "user",
        "sequence",
        "amount",
        "balance_after",
        "kind",
        "reference_id",
        "description",
        "actor",
    )
    readonly_fields = ("amount", "balance_after", "kind")

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [KindFilter]

    def search(self, text: str) -> dict[str, Any] | None:
        return by_person(text)

    amount = rupees("amount_paise", _("Amount"))
    balance_after = rupees("balance_after_paise", _("Balance after"))

    @admin.display(description=_("Kind"))
    def kind(self, entry: WalletTransaction) -> Any:
        return entry.kind_text


class KindFilter(admin.SimpleListFilter):
    """By what moved the money; the kinds are known, so none is looked up."""

    title, parameter_name = _("kind"), "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(KINDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(reference_type=self.value()) if self.value() else queryset


@admin.register(Recharge)
class RechargeAdmin(WindowedAdmin):
    """Top-ups."""

    list_display = ("created_at", "user", "amount", "state_chip", "source", "payment_id")
    list_filter = ("state", "source")
    list_prefetch = ("user",)
    search_fields = ("payment_id",)
    search_help_text = _("Phone, e-mail, or Razorpay's order or payment id")
    narrow_parameters = ("user__id__exact", "state__exact=pending")
    fields = (
        ("user", "amount"),
        ("state_chip", "source"),
        ("created_at", "completed_at"),
        ("razorpay_order_id", "payment_id"),
        ("failure_reason", "refunded"),
        ("next_check_at", "checks"),
        "paper",
    )
    readonly_fields = ("amount", "refunded", "state_chip", "paper")
    commands = [RefundToSource]
    empty_text = _("No top-up in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        if text.startswith("order_"):
            return {"razorpay_order_id": text}
        if text.startswith("pay_"):
            return {"payment_id": text}
        return by_person(text)

    amount = rupees("amount_paise", _("Amount"))
    refunded = rupees("refunded_paise", _("Given back"))

    @admin.display(description=_("Receipt"))
    def paper(self, recharge: Recharge) -> Any:
        if recharge.state != Recharge.State.COMPLETED:
            return _("None before it is paid")
        return link_to(reverse("admin:wallet_recharge_paper", args=[recharge.pk]), _("Look at it"))

    @admin.display(description=_("State"))
    def state_chip(self, recharge: Recharge) -> SafeString:
        tones = {Recharge.State.COMPLETED: "good", Recharge.State.PENDING: "warn"}
        return chip(recharge.state_text, tones.get(Recharge.State(recharge.state), ""))
