"""Problem reports in the console: a queue, and what can be done about each."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.admin import by_person
from catalog.models import Delivery
from console.hands import Work, counted, needs_hands
from orders.models import Order
from orders.refunds import check_refund, ends_order, proposed_refund_paise, refund_and_answer
from ottsonly.admin import WindowedAdmin, chip, link_to
from ottsonly.admin_commands import Command, CommandForm
from ottsonly.money import RupeesField, format_rupees
from subscriptions.admin_pool import SecretCommand
from subscriptions.admin_subscriptions import AccountForm, typed_account
from subscriptions.models import ProblemReport, Subscription
from subscriptions.problems import answer_report, extend_and_answer, replace_and_answer
from subscriptions.services import MOST_DAYS_GIVEN

PERMISSION = "subscriptions.change_problemreport"


def answer_field() -> forms.CharField:
    """Return the field of what the customer reads."""
    return forms.CharField(
        label=_("Answer to the customer"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("The customer reads it on the page of the plan and in a notification."),
    )


class ReportCommand(Command):
    """What every command on a report shows."""

    permission = PERMISSION
    document: ProblemReport

    @property
    def subscription(self) -> Subscription:
        return self.document.subscription

    def is_offered(self) -> bool:
        return self.document.is_open

    def facts(self) -> list[tuple[Any, Any]]:
        report = self.document
        facts = [
            (_("Customer"), str(report.user)),
            (_("Plan"), f"{report.platform_name} {report.plan_name}"),
            (_("What is wrong"), report.get_category_display()),
            (_("Reported"), f"{timezone.localtime(report.created_at):%-d %b %Y, %H:%M}"),
            (_("The plan is"), self.subscription.status_text),
        ]
        return [*facts, (_("In words"), report.text)] if report.text else facts


class AnswerForm(CommandForm):
    """An answer and nothing else."""

    answer = answer_field()


class Answer(ReportCommand):
    """Answer, and do nothing else."""

    name, label, button = "answer", _("Answer"), _("Send the answer")
    form_class, error_field = AnswerForm, "answer"

    def run(self, data: dict[str, Any], key: str) -> str:
        answer_report(report=self.document, answer=data["answer"], actor=self.actor)
        return _t("The customer has the answer.")


class ReplaceAndAnswerForm(AccountForm):
    """Another account, and what the customer is told."""

    burn = forms.BooleanField(
        label=_("The old account is broken: retire it, so that nobody else gets it"),
        required=False,
        initial=True,
    )
    answer = answer_field()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The oldest is taken: choosing one by name is done on the subscription's page.
        del self.fields["account"]
        self.fields["login"].label = _("Login of a new account")
        self.fields["login"].help_text = _(
            "Leave empty to take the oldest account of the pool with a free seat."
        )


class ReplaceAndAnswer(ReportCommand, SecretCommand):
    """Give another login, burn the old account, answer."""

    name, label, button = "replace", _("Replace the login"), _("Replace it and answer")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.form_class = partial(ReplaceAndAnswerForm, subscription=self.subscription)

    def is_offered(self) -> bool:
        own_account = self.subscription.delivery == Delivery.CUSTOMER_EMAIL
        return super().is_offered() and self.subscription.is_running() and not own_account

    def initial(self) -> dict[str, Any]:
        return {
            "burn": True,
            "answer": _t("You have a new login. Please use it from now on; your dates stay."),
        }

    @sensitive_variables()
    def run(self, data: dict[str, Any], key: str) -> str:
        replace_and_answer(
            report=self.document,
            answer=data["answer"],
            actor=self.actor,
            burn=data["burn"],
            account=typed_account(data),
        )
        old = self.document.credential
        left = 0
        if old is not None:
            old.refresh_from_db()
            left = old.seats_used if data["burn"] else 0
        if left:
            return (
                _t(
                    "The customer has a new login. %d others still hold the retired account: move "
                    "them on its page in the pool."
                )
                % left
            )
        return _t("The customer has a new login and the answer.")


class ExtendAndAnswerForm(CommandForm):
    """Days for those that were lost, and what the customer is told."""

    days = forms.IntegerField(label=_("Days"), min_value=1, max_value=MOST_DAYS_GIVEN)
    answer = answer_field()


class ExtendAndAnswer(ReportCommand):
    """Give days and answer."""

    name, label, button = "extend", _("Give days"), _("Give them and answer")
    form_class, error_field = ExtendAndAnswerForm, "days"

    def is_offered(self) -> bool:
        return super().is_offered() and self.subscription.state == Subscription.State.ACTIVE

    def run(self, data: dict[str, Any], key: str) -> str:
        extend_and_answer(
            report=self.document,
            days=data["days"],
            answer=data["answer"],
            actor=self.actor,
            key=key,
        )
        return _t("The days are added and the customer has the answer.")


class RefundAndAnswerForm(CommandForm):
    """Of which order, how much, and what the customer is told."""

    order = forms.ChoiceField(label=_("Order"))
    amount = RupeesField(label=_("Amount (₹)"), min_paise=1)
    take_back = forms.BooleanField(
        label=_("End what this order bought, take the seat back and mark the order refunded"),
        required=False,
        initial=True,
    )
    answer = answer_field()

    def __init__(self, *args: Any, orders: list[Order], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["order"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [
            (
                str(order.pk),
                _t("%(number)s: paid %(paid)s, unused days are worth %(worth)s")
                % {
                    "number": order.number,
                    "paid": format_rupees(order.price_paise),
                    "worth": format_rupees(proposed_refund_paise(order)),
                },
            )
            for order in orders
        ]


class RefundAndAnswer(ReportCommand):
    """Give money back and answer."""

    name, label, button = "refund", _("Refund"), _("Refund and answer")
    permission = "orders.change_order"
    confirms, danger, error_field = True, True, "amount"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        orders = Order.objects.filter(subscription_id=self.document.subscription_id)
        self.orders = [
            order
            for order in orders.order_by("created_at")
            if order.state != Order.State.REFUNDED and order.refundable_paise
        ]
        self.form_class = partial(RefundAndAnswerForm, orders=self.orders)

    def is_offered(self) -> bool:
        return super().is_offered() and bool(self.orders)

    def initial(self) -> dict[str, Any]:
        proposed = proposed_refund_paise(self.orders[0]) if self.orders else 0
        return {"amount": proposed or None, "take_back": True}

    def effects(self, data: dict[str, Any]) -> list[str]:
        told = _t("%(amount)s goes back into the wallet of %(who)s.") % {
            "amount": format_rupees(data["amount"]),
            "who": self.document.user,
        }
        kept = _t("What was bought stays: the subscription runs on.")
        ended = _t("The days of this order are taken away; with none left, the seat is free again.")
        whole = ends_order(
            self._chosen(data), amount_paise=data["amount"], take_back=data["take_back"]
        )
        return [told, ended if whole else kept]

    def _chosen(self, data: dict[str, Any]) -> Order:
        (order,) = [order for order in self.orders if str(order.pk) == data["order"]]
        return order

    def check(self, data: dict[str, Any]) -> None:
        check_refund(order=self._chosen(data), amount_paise=data["amount"])

    def run(self, data: dict[str, Any], key: str) -> str:
        refund_and_answer(
            report=self.document,
            order=self._chosen(data),
            amount_paise=data["amount"],
            answer=data["answer"],
            actor=self.actor,
            key=key,
            take_back=data["take_back"],
        )
        return _t("%s is in the customer's wallet.") % format_rupees(data["amount"])


@admin.register(ProblemReport)
class ProblemReportAdmin(WindowedAdmin):
    """The queue: open reports however old, the oldest first."""

    list_display = ("reported_at", "customer", "plan", "category", "state_chip")
    list_filter = ("state",)
    list_prefetch = ("user",)
    search_fields = ("user",)
    search_help_text = _("Phone or e-mail of the customer")
    narrow_parameters = ("user__id__exact", "state__exact=open")
    oldest_first_parameters = ("state__exact=open",)
    window_days = 30
    commands = [ReplaceAndAnswer, ExtendAndAnswer, RefundAndAnswer, Answer]
    fieldsets = [
        (
            _("Reported"),
            {
                "fields": (
                    ("customer", "created_at"),
                    ("subscription", "credential"),
                    ("category", "state_chip"),
                    "text",
                )
            },
        ),
        (
            _("Answered"),
            {"fields": (("outcome", "answered_by", "answered_at"), "answer")},
        ),
    ]
    readonly_fields = ("customer", "state_chip")
    empty_text = _("No report here. Open ones are shown however old they are.")

    def search(self, text: str) -> dict[str, Any] | None:
        return by_person(text)

    @admin.display(description=_("Reported"))
    def reported_at(self, report: ProblemReport) -> str:
        text = f"{timezone.localtime(report.created_at):%-d %b %Y, %H:%M}"
        return f"{text} ({timesince(report.created_at, depth=1)})" if report.is_open else text

    @admin.display(description=_("Customer"))
    def customer(self, report: ProblemReport) -> SafeString:
        return link_to(reverse("admin:accounts_user_change", args=[report.user_id]), report.user)

    @admin.display(description=_("Plan"))
    def plan(self, report: ProblemReport) -> str:
        return f"{report.platform_name} {report.plan_name}"

    @admin.display(description=_("State"))
    def state_chip(self, report: ProblemReport) -> SafeString:
        if report.is_open:
            return chip(report.get_state_display(), "warn")
        return chip(report.get_outcome_display(), "good")


def queue_url(request: HttpRequest | None = None) -> str:
    """Return the address of the open reports."""
    return f"{reverse('admin:subscriptions_problemreport_changelist')}?state__exact=open"


needs_hands(
    Work(
        name="problems.open",
        title=_("Problem reports to answer"),
        model=ProblemReport,
        stages=lambda now: counted({"state": ProblemReport.State.OPEN.value}, age="created_at"),
        url=queue_url,
        permission="subscriptions.view_problemreport",
        order=15,
        urgent=True,
    )
)
