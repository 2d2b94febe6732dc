"""One customer at a glance: everything that a call to the shop is about, in one page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import LoginSession, User
from notifications.models import Notification
from orders.models import Order
from ottsonly.money import format_rupees
from ottsonly.related import attach_related
from subscriptions.models import Reveal, Subscription
from wallet.models import Recharge, WalletTransaction
from wallet.services import balance_of

SHOWN = 10


@dataclass(frozen=True)
class Cell:
    """One cell of a table; a tone makes it a state, a link leads to the document."""

    text: Any
    url: str = ""
    tone: str = ""
    is_number: bool = False


@dataclass(frozen=True)
class Table:
    """The latest documents of one kind, and where all of them are."""

    title: str
    heads: list[str]
    rows: list[list[Cell]]
    empty: str
    all_url: str
    more: bool

    @property
    def labelled_rows(self) -> list[list[tuple[str, Cell]]]:
        """The cells with their heads, which stand beside them on a phone."""
        return [list(zip(self.heads, row, strict=True)) for row in self.rows]


def customer_context(user: User) -> dict[str, Any]:
    """Return what the page of a person shows, by a constant number of commands."""
    balance = balance_of(user.pk)
    return {
        "person": user,
        "person_facts": [
            (_("Phone"), user.phone_display),
            (_("E-mail"), user.email or "–"),
            (_("Role"), user.get_role_display()),
            (_("Customer since"), _when(user.created_at)),
            (_("Last log-in"), _when(user.last_login)),
            (_("Open sessions"), _sessions(user)),
        ],
        "person_balance": format_rupees(balance) if user.role == User.Role.USER else "",
        "person_tables": [
            _subscriptions(user),
            _orders(user),
            _statement(user),
            _topups(user),
            _notices(user),
            _reveals(user),
        ],
    }


def _when(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%-d %b %Y, %H:%M}" if moment else "–"


def _sessions(user: User) -> int:
    open_ones = LoginSession.objects.filter(user_id=user.pk, expire_date__gt=timezone.now())
    return len(list(open_ones.values_list("pk", flat=True)[:50]))


def _latest(queryset: QuerySet[Any], order: str) -> tuple[list[Any], bool]:
    found = list(queryset.order_by(order)[: SHOWN + 1])
    return found[:SHOWN], len(found) > SHOWN


def _all_of(name: str, user: User) -> str:
    return f"{reverse(f'admin:{name}_changelist')}?user__id__exact={user.pk}"


def _change(name: str, document: Any) -> str:
    return reverse(f"admin:{name}_change", args=[document.pk])


def _orders(user: User) -> Table:
    rows, more = _latest(Order.objects.for_user(user), "-created_at")
    tones = {"paid": "warn", "completed": "good", "refunded": "bad"}
    return Table(
        _("Orders"),
        [_("Order"), _("When"), _("Bought"), _("Price"), _("State")],
        [
            [
                Cell(order.number, _change("orders_order", order)),
                Cell(_when(order.created_at)),
                Cell(f"{order.platform_name} {order.plan_name}"),
                Cell(format_rupees(order.price_paise), is_number=True),
                Cell(order.state_text, tone=tones[order.state]),
            ]
            for order in rows
        ],
        _("Nothing was bought yet."),
        _all_of("orders_order", user),
        more,
    )


def _subscriptions(user: User) -> Table:
    rows, more = _latest(Subscription.objects.for_user(user), "-created_at")
    tones = {"active": "good", "ending": "warn", "waiting": "warn", "cancelled": "bad"}
    return Table(
        _("Subscriptions"),
        [_("Subscription"), _("State"), _("Ends")],
        [
            [
                Cell(str(one), _change("subscriptions_subscription", one)),
                Cell(one.status_text, tone=tones.get(one.status, "plain")),
                Cell(_when(one.ends_at) if one.delivered_at else _("starts with the delivery")),
            ]
            for one in rows
        ],
        _("No subscription yet."),
        _all_of("subscriptions_subscription", user),
        more,
    )


def _statement(user: User) -> Table:
    rows, more = _latest(WalletTransaction.objects.for_user(user), "-sequence")
    return Table(
        _("Statement"),
        [_("When"), _("What"), _("Amount"), _("Balance after")],
        [
            [
                Cell(_when(entry.created_at)),
                Cell(f"{entry.kind_text}: {entry.description}"),
                Cell(format_rupees(entry.amount_paise), is_number=True),
                Cell(format_rupees(entry.balance_after_paise), is_number=True),
            ]
            for entry in rows
        ],
        _("No money moved yet."),
        _all_of("wallet_wallettransaction", user),
        more,
    )


def _topups(user: User) -> Table:
    rows, more = _latest(Recharge.objects.for_user(user), "-created_at")
    tones = {"completed": "good", "pending": "warn"}
    return Table(
        _("Top-ups"),
        [_("When"), _("Amount"), _("State"), _("Payment")],
        [
            [
                Cell(_when(recharge.created_at), _change("wallet_recharge", recharge)),
                Cell(format_rupees(recharge.amount_paise), is_number=True),
                Cell(recharge.state_text, tone=tones.get(recharge.state, "plain")),
                Cell(recharge.payment_id or "–"),
            ]
            for recharge in rows
        ],
        _("No top-up was started yet."),
        _all_of("wallet_recharge", user),
        more,
    )


def _notices(user: User) -> Table:
    rows, more = _latest(Notification.objects.for_user(user), "-created_at")
    return Table(
        _("Notices"),
        [_("When"), _("Notice"), _("Read")],
        [
            [Cell(_when(notice.created_at)), Cell(notice.title), Cell(_when(notice.read_at))]
            for notice in rows
        ],
        _("No notice was written yet."),
        _all_of("notifications_notification", user),
        more,
    )


def _reveals(user: User) -> Table:
    rows, more = _latest(Reveal.objects.filter(user_id=user.pk), "-created_at")
    attach_related(rows, ("subscription",))
    return Table(
        _("Looks at login details"),
        [_("When"), _("Subscription"), _("Address")],
        [
            [Cell(_when(look.created_at)), Cell(look.subscription or "–"), Cell(look.ip)]
            for look in rows
        ],
        _("Nobody looked at login details from this account."),
        _all_of("subscriptions_reveal", user),
        more,
    )
