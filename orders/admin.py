"""Orders in the console: deliver and refund, through the services."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from accounts.admin import by_person, customer_url
from catalog.models import Delivery, Platform
from console.find import order_number
from console.hands import Work, counted, needs_hands
from orders.models import Order, Refund
from orders.refunds import check_refund, ends_order, proposed_refund_paise, refund_order
from orders.services import deliver
from ottsonly.admin import WindowedAdmin, chip, link_to, rupees
from ottsonly.admin_commands import Command, CommandForm
from ottsonly.errors import ShopError
from ottsonly.money import RupeesField, format_rupees

TONES = {Order.State.PAID: "warn", Order.State.COMPLETED: "good", Order.State.REFUNDED: "bad"}


class RefundForm(CommandForm):
    """How much goes back to the wallet, and why."""

    amount = RupeesField(label=_("Amount (₹)"), min_paise=1)
    reason = forms.CharField(label=_("Reason"), max_length=200)
    take_back = forms.BooleanField(
        label=_("End what this order bought, take the seat back and mark the order refunded"),
        required=False,
        initial=True,
    )


class RefundOrder(Command):
    """Give money back to the wallet, in full or in part."""

    name, label, button = "refund", _("Refund"), _("Refund to the wallet")
    permission = "orders.change_order"
    form_class, confirms, error_field, danger = RefundForm, True, "amount", True
    document: Order

    @property
    def title(self) -> str:
        return _t("Refund order %s") % self.document.number

    def is_offered(self) -> bool:
        return self.document.state != Order.State.REFUNDED and self.document.refundable_paise > 0

    def initial(self) -> dict[str, Any]:
        return {"amount": proposed_refund_paise(self.document) or None, "take_back": True}

    def facts(self) -> list[tuple[Any, Any]]:
        order = self.document
        return [
            (_("Order"), order.number),
            (_("Bought"), f"{order.platform_name} {order.plan_name}"),
            (_("State"), order.state_text),
            (_("Paid"), format_rupees(order.price_paise)),
            (_("Refunded before"), format_rupees(order.refunded_paise)),
            (_("Can still be refunded"), format_rupees(order.refundable_paise)),
            (_("Worth of the unused days"), format_rupees(proposed_refund_paise(order))),
        ]

    def effects(self, data: dict[str, Any]) -> list[str]:
        order = self.document
        whole = ends_order(order, amount_paise=data["amount"], take_back=data["take_back"])
        told = [
            _t("%(amount)s goes back into the wallet of %(who)s.")
            % {"amount": format_rupees(data["amount"]), "who": order.user}
        ]
        if not whole:
            told.append(_t("What was bought stays: the subscription runs on."))
        elif order.delivered_at is None:
            told.append(_t("The order is closed, and its unit goes back to the stock."))
        else:
            told.append(
                _t("The days of this order are taken away; with none left, the seat is free again.")
            )
        return [*told, _t("Reason for the customer: %s") % data["reason"]]

    def check(self, data: dict[str, Any]) -> None:
        check_refund(order=self.document, amount_paise=data["amount"])

    def run(self, data: dict[str, Any], key: str) -> str:
        refund = refund_order(
            order=self.document,
            amount_paise=data["amount"],
            reason=data["reason"],
            actor=self.actor,
            key=key,
            take_back=data["take_back"],
        )
        return _t("%s is in the customer's wallet.") % format_rupees(refund.amount_paise)


class DeliverOrder(Command):
    """Deliver one paid order."""

    name, label, button = "deliver", _("Deliver"), _("Deliver now")
    permission = "orders.change_order"
    document: Order

    @property
    def title(self) -> str:
        return _t("Deliver order %s") % self.document.number

    def is_offered(self) -> bool:
        return self.document.is_waiting

    def facts(self) -> list[tuple[Any, Any]]:
        order = self.document
        facts = [
            (_("Customer"), order.user),
            (_("Bought"), f"{order.platform_name} {order.plan_name}, {order.duration_text}"),
            (_("Waiting for"), timesince(order.created_at)),
        ]
        if order.delivery == Delivery.CUSTOMER_EMAIL:
            facts.append((_("Account to invite"), order.customer_email))
        return facts

    def effects(self, data: dict[str, Any]) -> list[str]:
        if self.document.delivery == Delivery.CUSTOMER_EMAIL:
            first = _t("The invitation is marked as sent: send it at the platform first.")
        else:
            first = _t("The oldest account of the pool with a free seat is assigned.")
        return [first, _t("The customer is told, and the paid days start now.")]

    def run(self, data: dict[str, Any], key: str) -> str:
        deliver(order=self.document, actor=self.actor)
        return _t("%s was delivered.") % self.document.number


class PlatformFilter(admin.SimpleListFilter):
    """By platform, from the small list of platforms and not from the orders."""

    title, parameter_name = _("platform"), "platform_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = Platform.objects.order_by("name").values_list("name", flat=True)
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(platform_name=self.value()) if self.value() else queryset


class WaitingFilter(admin.SimpleListFilter):
    """What waits for hands, however old, the oldest first."""

    title, parameter_name = _("waiting"), "waiting"
    NOTES = {
        "seat": (Delivery.INSTANT, Delivery.MANUAL),
        "email": (Delivery.CUSTOMER_EMAIL,),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("seat", _("for an account")), ("email", _("for an invitation"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        deliveries = self.NOTES.get(self.value() or "")
        if deliveries is None:
            return queryset
        return queryset.filter(state=Order.State.PAID, delivery__in=deliveries)


@admin.register(Order)
class OrderAdmin(WindowedAdmin):
    """Orders: what was bought, and what waits."""

    list_display = ("number", "bought_at", "customer", "bought", "price", "state_chip")
    list_filter = ("state", WaitingFilter, PlatformFilter)
    list_prefetch = ("user",)
    search_fields = ("number",)
    search_help_text = _("Order number, phone or e-mail")
    narrow_parameters = ("waiting", "state__exact=paid", "user__id__exact")
    oldest_first_parameters = ("waiting", "state__exact=paid")
    actions = ["deliver_orders"]
    commands = [DeliverOrder, RefundOrder]
    empty_text = _("No order here. Clear a filter or look further back.")
    fieldsets = [
        (
            _("As bought"),
            {
                "fields": (
                    ("number", "kind"),
                    ("created_at", "customer"),
                    ("platform_name", "plan_name"),
                    ("price", "duration_days"),
                    ("state_code", "paper"),
                    ("delivery", "customer_email"),
                )
            },
        ),
        (
            _("Since then"),
            {
                "fields": (
                    ("state_chip", "refunded"),
                    ("delivered_at", "subscription"),
                    ("period_start", "period_end"),
                )
            },
        ),
    ]
    readonly_fields = ("customer", "paper", "price", "refunded", "state_chip")

    def search(self, text: str) -> dict[str, Any] | None:
        number = order_number(text)
        return {"number": number} if number else by_person(text)

    @admin.display(description=_("Bought at"))
    def bought_at(self, order: Order) -> str:
        text = f"{timezone.localtime(order.created_at):%-d %b %Y, %H:%M}"
        return f"{text} ({timesince(order.created_at, depth=1)})" if order.is_waiting else text

    @admin.display(description=_("Customer"))
    def customer(self, order: Order) -> SafeString:
        return link_to(customer_url(order.user_id), order.user)

    @admin.display(description=_("Bought"))
    def bought(self, order: Order) -> str:
        return f"{order.platform_name} {order.plan_name}, {order.duration_text}"

    price = rupees("price_paise", _("Price"))
    refunded = rupees("refunded_paise", _("Refunded"))

    @admin.display(description=_("Receipt or invoice"))
    def paper(self, order: Order) -> SafeString:
        return link_to(reverse("admin:orders_order_paper", args=[order.pk]), _("Look at it"))

    @admin.display(description=_("State"))
    def state_chip(self, order: Order) -> SafeString:
        return chip(order.state_text, TONES[Order.State(order.state)])

    def has_command_permission(self, request: HttpRequest) -> bool:
        """Only those who may change orders may run commands on them; support may not."""
        return request.user.has_perm("orders.change_order")

    @admin.action(
        description=_("Deliver (assign a free seat, or mark the invitation sent)"),
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


@admin.register(Refund)
class RefundAdmin(WindowedAdmin):
    """Refunds that were given."""

    list_display = ("created_at", "order", "amount", "reason", "actor")
    list_prefetch = ("order", "actor")
    search_fields = ("order",)
    search_help_text = _("Order number")
    fields = ("created_at", "order", "amount", "reason", "actor")
    readonly_fields = ("amount",)
    empty_text = _("No refund in these days. Look further back.")

    def search(self, text: str) -> dict[str, Any] | None:
        order = Order.objects.filter(number=text.upper()).values_list("pk", flat=True).first()
        return {"order_id": order} if order else None

    amount = rupees("amount_paise", _("Amount"))


def _waiting(delivery: list[str]) -> Any:
    match = {"state": Order.State.PAID.value, "delivery": {"$in": delivery}}
    return lambda now: counted(match, age="created_at")


def _list(query: str) -> Any:
    return lambda: f"{reverse('admin:orders_order_changelist')}?{query}"


needs_hands(
    Work(
        name="orders.seat",
        title=_("Orders waiting for an account"),
        model=Order,
        stages=_waiting([Delivery.INSTANT.value, Delivery.MANUAL.value]),
        url=_list("waiting=seat"),
        permission="orders.view_order",
        order=10,
        urgent=True,
    )
)
needs_hands(
    Work(
        name="orders.invitation",
        title=_("Invitations to send to customers' own accounts"),
        model=Order,
        stages=_waiting([Delivery.CUSTOMER_EMAIL.value]),
        url=_list("waiting=email"),
        permission="orders.view_order",
        order=20,
        urgent=True,
    )
)
needs_hands(
    Work(
        # A free seat goes to whoever waits within seconds: an instant order that still waits
        # says that the pool of its plan is used up.
        name="pool.short",
        title=_("Plans whose pool is shorter than what waits"),
        model=Order,
        stages=lambda now: [
            {"$match": {"state": Order.State.PAID.value, "delivery": Delivery.INSTANT.value}},
            {"$group": {"_id": "$plan_id"}},
            {"$group": {"_id": None, "count": {"$sum": 1}}},
        ],
        url=lambda: reverse("admin:subscriptions_credential_changelist"),
        permission="subscriptions.view_credential",
        order=30,
        urgent=True,
    )
)
