"""What operators do to a subscription in the console, each by a service of the shop."""

from functools import partial
from typing import Any

from bson import ObjectId
from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from catalog.models import Delivery
from orders.models import Order
from orders.refunds import cancel_and_refund, check_refund, proposed_refund_paise
from orders.services import deliver, deliver_with_new
from ottsonly.admin_commands import Command, CommandForm, dress
from ottsonly.money import RupeesField, format_rupees
from subscriptions.admin_pool import SecretCommand
from subscriptions.errors import ReplacementRefused
from subscriptions.invitations import (
    can_undo_invitation,
    lost_days,
    send_invitation_again,
    undo_invitation,
)
from subscriptions.models import Credential, Subscription
from subscriptions.pool import replace_with_new
from subscriptions.services import MOST_DAYS_GIVEN, extend_subscription, replace_credentials

# Accounts offered by name; the oldest of the pool is taken without a choice.
MOST_OFFERED = 50
PERMISSION = "subscriptions.change_subscription"


class AccountForm(CommandForm):
    """An account out of the pool, a chosen one, or one that is typed in."""

    account = forms.ChoiceField(label=_("From the pool"), required=False)
    login = forms.CharField(
        label=_("Or type an account: login"),
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    password = forms.CharField(
        label=_("Its password"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    pin = forms.CharField(
        label=_("Its PIN"),
        required=False,
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    profile = forms.CharField(label=_("Its profile"), required=False, max_length=60)

    def __init__(self, *args: Any, subscription: Subscription, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subscription = subscription
        free = Credential.objects.without_secrets().filter(
            plan_id=subscription.plan_id,
            state=Credential.State.AVAILABLE,
            rotation_due=False,
        )
        if subscription.holds_seat:
            free = free.exclude(pk=subscription.credential_id)
        choice = self.fields["account"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [
            ("", _("The oldest account with a free seat")),
            *(
                (str(account.pk), f"{account}, {account.seats_used}/{account.seats}")
                for account in free.order_by("created_at")[:MOST_OFFERED]
            ),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("login")) != bool(cleaned.get("password")):
            name = "password" if cleaned.get("login") else "login"
            self.add_error(name, _t("A typed account needs both a login and a password."))
        if cleaned.get("login") and cleaned.get("account"):
            self.add_error("account", _t("Choose an account or type one, not both."))
        return cleaned


def typed_account(data: dict[str, Any]) -> dict[str, str] | None:
    """Return what was typed for a new account; None if one of the pool is to be taken."""
    if not data["login"]:
        return None
    return {name: data[name].strip() for name in ("login", "password", "pin", "profile")}


def chosen_account(data: dict[str, Any]) -> Credential | None:
    """Return the account that was chosen from the pool, if one was."""
    key = data["account"]
    return Credential.objects.without_secrets().get(pk=key) if key else None


class SubscriptionCommand(Command):
    """What every command on a subscription shows."""

    permission = PERMISSION
    document: Subscription

    def facts(self) -> list[tuple[Any, Any]]:
        subscription = self.document
        facts = [
            (_("Customer"), str(subscription.user)),
            (_("State"), subscription.status_text),
            (_("Paid days"), subscription.paid_days),
        ]
        if subscription.delivered_at is not None:
            facts.append(
                (_("Ends"), f"{timezone.localtime(subscription.ends_at):%-d %b %Y, %H:%M}")
            )
        return facts


class Assign(SubscriptionCommand, SecretCommand):
    """Deliver what waits: a seat of the pool, a chosen account, a typed one, or the invitation."""

    name, label, button = "assign", _("Deliver"), _("Deliver now")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self._invites:
            self.form_class = CommandForm  # type: ignore[misc]
        else:
            self.form_class = partial(AccountForm, subscription=self.document)

    @property
    def _invites(self) -> bool:
        return self.document.delivery == Delivery.CUSTOMER_EMAIL

    def is_offered(self) -> bool:
        waits = self.document.delivered_at is None
        return waits and self.document.state == Subscription.State.ACTIVE

    def effects(self, data: dict[str, Any]) -> list[str]:
        return [
            _t("The invitation to %s is marked as sent: send it at the platform first.")
            % self.document.customer_email,
            _t("The customer is told, and the paid days start now."),
        ]

    @sensitive_variables()
    def run(self, data: dict[str, Any], key: str) -> str:
        order = (
            Order.objects.filter(subscription_id=self.document.pk, state=Order.State.PAID)
            .order_by("created_at")
            .first()
        )
        if order is None:
            raise ReplacementRefused(_t("No paid order of this subscription waits."))
        typed = None if self._invites else typed_account(data)
        if typed is not None:
            deliver_with_new(order=order, actor=self.actor, **typed)
        else:
            account = None if self._invites else chosen_account(data)
            deliver(order=order, actor=self.actor, credential=account)
        return _t("Order %s was delivered.") % order.number


class ReplaceForm(AccountForm):
    """Which account instead, why, and what becomes of the old one."""

    reason = forms.CharField(label=_("Reason"), max_length=200)
    burn = forms.BooleanField(
        label=_("The old account is broken: retire it, so that nobody else gets it"),
        required=False,
    )
    # What the operator saw: a form that comes twice finds another one and does nothing.
    seen = forms.CharField(required=False, max_length=24, widget=forms.HiddenInput)


class Replace(SubscriptionCommand, SecretCommand):
    """Move a running subscription to another account."""

    name, label, button = "replace", _("Replace the login"), _("Replace it")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.form_class = partial(ReplaceForm, subscription=self.document)

    def is_offered(self) -> bool:
        return (
            self.document.delivered_at is not None
            and self.document.is_running()
            and self.document.delivery != Delivery.CUSTOMER_EMAIL
        )

    def initial(self) -> dict[str, Any]:
        return {"seen": str(self.document.credential_id or "")}

    @sensitive_variables()
    def run(self, data: dict[str, Any], key: str) -> str:
        seen = Subscription(
            credential_id=ObjectId(data["seen"]) if ObjectId.is_valid(data["seen"]) else None,
            holds_seat=self.document.holds_seat,
        )
        about = {
            "subscription": self.document,
            "reason": data["reason"],
            "actor": self.actor,
            "burn": data["burn"],
            "seen": seen,
        }
        typed = typed_account(data)
        if typed is not None:
            replace_with_new(**about, **typed)
        else:
            replace_credentials(**about, credential=chosen_account(data))
        return _t("The customer has another login and is told.")


class ExtendForm(CommandForm):
    """How many days, and why."""

    days = forms.IntegerField(label=_("Days"), min_value=1, max_value=MOST_DAYS_GIVEN)
    reason = forms.CharField(label=_("Reason"), max_length=200)


class Extend(SubscriptionCommand):
    """Give days without payment."""

    name, label, button = "extend", _("Give days"), _("Give them")
    form_class, error_field = ExtendForm, "days"

    def is_offered(self) -> bool:
        return self.document.state == Subscription.State.ACTIVE

    def run(self, data: dict[str, Any], key: str) -> str:
        extension = extend_subscription(
            subscription=self.document,
            days=data["days"],
            reason=data["reason"],
            actor=self.actor,
            key=key,
        )
        return ngettext("%d day was added.", "%d days were added.", extension.days) % extension.days


class CancelForm(CommandForm):
    """Why, and how much goes back for each order."""

    reason = forms.CharField(label=_("Reason"), max_length=200)

    def __init__(self, *args: Any, orders: list[Order], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for order in orders:
            field = RupeesField(
                label=_t("Refund of order %(number)s (₹), paid %(paid)s")
                % {"number": order.number, "paid": format_rupees(order.price_paise)},
                required=False,
                min_paise=0,
                help_text=_t("%(worth)s is the worth of its unused days. Empty gives nothing back.")
                % {"worth": format_rupees(proposed_refund_paise(order))},
            )
            dress(field.widget)
            self.fields[f"order_{order.pk}"] = field


class Cancel(SubscriptionCommand):
    """End a subscription now, with or without money back."""

    name, label, button = "cancel", _("Cancel"), _("Cancel it")
    permission = "orders.change_order"
    confirms, danger = True, True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        orders = Order.objects.filter(subscription_id=self.document.pk).order_by("created_at")
        self.orders = [order for order in orders if order.state != Order.State.REFUNDED]
        self.form_class = partial(CancelForm, orders=self.orders)

    def is_offered(self) -> bool:
        return self.document.state == Subscription.State.ACTIVE

    def initial(self) -> dict[str, Any]:
        return {f"order_{order.pk}": proposed_refund_paise(order) or None for order in self.orders}

    def _amounts(self, data: dict[str, Any]) -> dict[ObjectId, int]:
        return {order.pk: data.get(f"order_{order.pk}") or 0 for order in self.orders}

    def effects(self, data: dict[str, Any]) -> list[str]:
        amounts = self._amounts(data)
        total = sum(amounts.values())
        told = [_t("It ends now, and its seat is given back.")]
        if total:
            told.append(
                _t("%(amount)s goes back into the wallet of %(who)s.")
                % {"amount": format_rupees(total), "who": self.document.user}
            )
        else:
            told.append(_t("Nothing is refunded."))
        return told

    def check(self, data: dict[str, Any]) -> None:
        amounts = self._amounts(data)
        for order in self.orders:
            if amounts[order.pk]:
                check_refund(order=order, amount_paise=amounts[order.pk])

    def run(self, data: dict[str, Any], key: str) -> str:
        amounts = self._amounts(data)
        cancel_and_refund(
            subscription=self.document,
            amounts_paise=amounts,
            reason=data["reason"],
            actor=self.actor,
            key=key,
        )
        return _t("The subscription is cancelled. %s went back into the wallet.") % format_rupees(
            sum(amounts.values())
        )


class NoteForm(CommandForm):
    """What happened."""

    note = forms.CharField(label=_("Note"), max_length=200)


class UndoInvitation(SubscriptionCommand):
    """Say that an invitation was not sent after all."""

    name, label = "undo_invitation", _("Invitation was not sent")
    button = _("Mark it as not sent")
    form_class = NoteForm

    def is_offered(self) -> bool:
        return can_undo_invitation(self.document)

    def run(self, data: dict[str, Any], key: str) -> str:
        undo_invitation(subscription=self.document, note=data["note"], actor=self.actor)
        return _t("It waits for its invitation again. The lost days are added when it is sent.")


class SendInvitation(SubscriptionCommand):
    """Say that an undone invitation was sent now."""

    name, label = "send_invitation", _("Invitation was sent")
    button = _("Mark it as sent")
    form_class = NoteForm

    def is_offered(self) -> bool:
        waits = self.document.invitation_undone_at is not None
        return waits and self.document.state == Subscription.State.ACTIVE

    def facts(self) -> list[tuple[Any, Any]]:
        return [
            *super().facts(),
            (_("Account to invite"), self.document.customer_email),
            (_("Days that are added"), lost_days(self.document)),
        ]

    def run(self, data: dict[str, Any], key: str) -> str:
        days = send_invitation_again(
            subscription=self.document, note=data["note"], actor=self.actor
        )
        return (
            ngettext(
                "Marked as sent. %d day was added.", "Marked as sent. %d days were added.", days
            )
            % days
        )


COMMANDS: list[type[Command]] = [
    Assign,
    Replace,
    Extend,
    SendInvitation,
    UndoInvitation,
    Cancel,
]
