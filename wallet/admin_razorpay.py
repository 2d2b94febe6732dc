"""What Razorpay told us and holds, in the console: its news, refunds to source, open items."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.admin import by_person
from console.hands import Work, counted, needs_hands
from ottsonly.admin import WindowedAdmin, rupees
from ottsonly.admin_commands import Command, CommandForm
from ottsonly.money import format_rupees
from ottsonly.mongo import moment
from wallet.errors import RetryRefused
from wallet.models import (
    OpenItem,
    Recharge,
    SourceRefund,
    WebhookEvent,
)
from wallet.open_items import close_open_item
from wallet.webhooks import ATTEMPTS_TO_TELL, retry_event


class RetryEvent(Command):
    """Apply an event now that failed before."""

    name, label, button = "retry", _("Try again"), _("Apply it now")
    permission = "wallet.change_webhookevent"
    document: WebhookEvent

    def is_offered(self) -> bool:
        return self.document.state == WebhookEvent.State.RECEIVED

    def facts(self) -> list[tuple[Any, Any]]:
        event = self.document
        return [
            (_("What"), event.type),
            (_("Attempts"), event.attempts),
            (_("Last error"), event.note or _("none")),
        ]

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [_t("It is applied once, however often it is tried.")]

    def run(self, data: dict[str, Any], key: str) -> str:
        event = retry_event(event=self.document, actor=self.actor)
        if event.state == WebhookEvent.State.RECEIVED:
            raise RetryRefused(_t("It failed again: %s") % event.note)
        return _t("It is applied: %s") % event.note


@admin.register(WebhookEvent)
class WebhookEventAdmin(WindowedAdmin):
    """What Razorpay told us."""

    time_field = "received_at"
    list_display = ("received_at", "type", "event_id", "state", "attempts", "note")
    list_filter = ("state",)
    search_fields = ("event_id",)
    search_help_text = _("Id of the event")
    narrow_parameters = ("state__exact=received",)
    oldest_first_parameters = ("state__exact=received",)
    commands = [RetryEvent]
    empty_text = _("Razorpay told us nothing in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return {"pk": text}


@admin.register(SourceRefund)
class SourceRefundAdmin(WindowedAdmin):
    """Money on its way back to its source; started on the top-up's page."""

    list_display = ("created_at", "user", "amount", "state", "attempts", "razorpay_refund_id")
    list_filter = ("state",)
    list_prefetch = ("user",)
    search_fields = ("user",)
    search_help_text = _("Phone, e-mail, or Razorpay's refund id")
    narrow_parameters = ("state__exact=requested", "state__exact=failed")
    fields = (
        ("user", "amount"),
        ("recharge", "state"),
        ("reason", "actor"),
        ("created_at", "finished_at"),
        ("razorpay_refund_id", "failure_reason"),
        ("attempts", "next_attempt_at"),
    )
    readonly_fields = ("amount",)
    empty_text = _("No money went back to its source in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return {"razorpay_refund_id": text} if text.startswith("rfnd_") else by_person(text)

    amount = rupees("amount_paise", _("Amount"))


class CloseItemForm(CommandForm):
    """What was done about it."""

    note = forms.CharField(label=_("What was done about it"), max_length=200)


class CloseItem(Command):
    """Note what was done about money that no document explains."""

    name, label, button = "close", _("Close with a note"), _("Close the item")
    permission = "wallet.change_openitem"
    form_class, error_field = CloseItemForm, "note"
    document: OpenItem

    def is_offered(self) -> bool:
        return self.document.state != OpenItem.State.CLOSED

    def facts(self) -> list[tuple[Any, Any]]:
        item = self.document
        return [
            (_("What"), item.get_kind_display()),
            (_("Amount"), format_rupees(item.amount_paise)),
            (_("Reference"), item.reference),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        close_open_item(item=self.document, note=data["note"], actor=self.actor)
        return _t("The item was closed.")


@admin.register(OpenItem)
class OpenItemAdmin(WindowedAdmin):
    """Money that no document explains: dealt with by hand, then closed with a note."""

    list_display = ("created_at", "kind", "amount", "reference", "state", "note")
    list_filter = ("state", "kind")
    search_fields = ("reference",)
    search_help_text = _("Reference, such as a payment id")
    narrow_parameters = ("state__exact=open",)
    oldest_first_parameters = ("state__exact=open",)
    fields = (
        ("kind", "amount"),
        ("reference", "recharge"),
        "detail",
        ("state", "created_at"),
        ("closed_at", "closed_by"),
        "note",
    )
    readonly_fields = ("amount",)
    commands = [CloseItem]
    empty_text = _("Every payment is explained in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        return {"reference": text}

    amount = rupees("amount_paise", _("Amount"))


# A payment takes minutes; what is pending longer was given up, or its news was lost.
STUCK_AFTER = timedelta(minutes=30)
# Razorpay takes a refund within minutes and ends it within days.
UNANSWERED_AFTER = timedelta(days=7)

needs_hands(
    Work(
        name="recharges.stuck",
        title=_("Top-ups stuck while waiting for the payment"),
        model=Recharge,
        stages=lambda now: counted(
            {
                "state": Recharge.State.PENDING.value,
                "created_at": {"$lte": moment(now - STUCK_AFTER)},
            },
            age="created_at",
        ),
        url=lambda: f"{reverse('admin:wallet_recharge_changelist')}?state__exact=pending",
        permission="wallet.view_recharge",
        order=70,
    )
)
needs_hands(
    Work(
        name="openitems.open",
        title=_("Payments that no document explains"),
        model=OpenItem,
        stages=lambda now: counted({"state": OpenItem.State.OPEN.value}, age="created_at"),
        url=lambda: f"{reverse('admin:wallet_openitem_changelist')}?state__exact=open",
        permission="wallet.view_openitem",
        order=65,
        urgent=True,
    )
)
needs_hands(
    Work(
        name="webhooks.failing",
        title=_("News from Razorpay that cannot be applied"),
        model=WebhookEvent,
        stages=lambda now: counted(
            {
                "state": WebhookEvent.State.RECEIVED.value,
                "attempts": {"$gte": ATTEMPTS_TO_TELL},
            },
            age="received_at",
        ),
        url=lambda: f"{reverse('admin:wallet_webhookevent_changelist')}?state__exact=received",
        permission="wallet.view_webhookevent",
        order=66,
        urgent=True,
    )
)
needs_hands(
    Work(
        name="source_refunds.unanswered",
        title=_("Refunds to their source that have not ended in a week"),
        model=SourceRefund,
        stages=lambda now: counted(
            {
                "state": SourceRefund.State.REQUESTED.value,
                "created_at": {"$lte": moment(now - UNANSWERED_AFTER)},
            },
            age="created_at",
        ),
        url=lambda: f"{reverse('admin:wallet_sourcerefund_changelist')}?state__exact=requested",
        permission="wallet.view_sourcerefund",
        order=67,
        urgent=True,
    )
)
