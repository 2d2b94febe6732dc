"""One document of every kind that the console shows, made by the services where they exist."""

from typing import Any

from bson import ObjectId
from django.test import override_settings
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from help_pages.models import HelpPage
from invoices.services import issue_due_documents
from notifications.models import Broadcast, Notification
from orders.refunds import refund_order
from ottsonly.models import PeriodicJob
from subscriptions.imports import check_import
from subscriptions.lifecycle import write_reminder
from subscriptions.models import Subscription
from subscriptions.problems import report_problem
from subscriptions.services import extend_subscription, reveal_credentials
from telegram_alerts.models import Alert
from tests.factories import PIN, PlanFactory, add_account, buy, give_money
from wallet.models import OpenItem, Recharge, SourceRefund, WebhookEvent

SECRETS = ("s3cret-Pa55", "seat@example.com", "seat2@example.com", PIN)


def fill(customer: Any, admin_user: Any) -> dict[str, Any]:
    """Sell, refund, extend, reveal and receive something, and return what was made."""
    plan = PlanFactory(stock=5)
    account = add_account(plan, login="seat@example.com", seats=3)
    give_money(customer, 1000_00)
    order, refunded = buy(customer, plan), buy(customer, plan)
    waiting = buy(customer, PlanFactory(delivery="manual"))
    refund_order(order=refunded, amount_paise=50_00, reason="x", actor=admin_user, key="refund")
    subscription = Subscription.objects.get(pk=order.subscription_id)
    extend_subscription(
        subscription=subscription, days=2, reason="x", actor=admin_user, key="extend"
    )
    subscription.refresh_from_db()
    reveal_credentials(subscription=subscription, user=customer, ip="127.0.0.1")
    recharge = Recharge.objects.create(
        user=customer, amount_paise=100_00, key="k", razorpay_order_id="order_A", payment_id="pay_A"
    )
    SourceRefund.objects.create(
        recharge=recharge, user=customer, amount_paise=100, reason="x", actor=admin_user, key="s"
    )
    OpenItem.objects.create(kind="dispute", reference="pay_9", amount_paise=100)
    assert Alert.objects.exists()
    WebhookEvent.objects.create(event_id="evt_1", type="order.paid", payload="{}")
    if not HelpPage.objects.exists():
        HelpPage.objects.create(slug="faq", position=1)
    PeriodicJob.objects.create(name="a-job", next_run=order.created_at)
    Notification.objects.create(user=customer, kind="notice", title="Hello")
    write_reminder(subscription=order.subscription, kind="days_3", title="Ends soon", body="")
    with override_settings(SELLER_GSTIN="29AAGCB7383J1Z4", SELLER_STATE_CODE="29"):
        give_money(customer, 500_00)
        taxed = buy(customer, PlanFactory())
        refund_order(order=taxed, amount_paise=1_00, reason="x", actor=admin_user, key="credit")
        issue_due_documents()
        # Bought just now, so that something waits for its number.
        buy(customer, PlanFactory())
    report_problem(subscription=subscription, user=customer, category="refused", text="Broken")
    check_import(plan=plan, text="seat2@example.com,s3cret-Pa55", actor=admin_user, key="import")
    Broadcast.objects.create(audience="all", title="Hello all", actor=admin_user)
    return {
        "plan": plan,
        "account": account,
        "order": order,
        "waiting": waiting,
        "recharge": recharge,
        "subscription": subscription,
    }


def console_routes() -> list[tuple[str, URLPattern]]:
    """Return (namespaced name, pattern) of every named address of the console."""
    found: list[tuple[str, URLPattern]] = []

    def walk(patterns: list[Any], namespace: str) -> None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, pattern.namespace or namespace)
            elif namespace in ("admin", "console") and pattern.name:
                found.append((f"{namespace}:{pattern.name}", pattern))

    walk(get_resolver().url_patterns, "")
    return found


def addresses(documents: dict[str, list[Any]]) -> list[str]:
    """Return every address of the console, with a document's key where one is asked for.

    Args:
        documents: keys of documents by "app_model".

    Raises:
        AssertionError: an address asks for something that this walk does not know.
    """
    found = []
    for name, pattern in console_routes():
        asked = set(pattern.pattern.converters)
        if name == "admin:app_list":
            found.extend(reverse(name, args=[label]) for label in ("orders", "wallet"))
            continue
        if not asked:
            found.append(reverse(name))
            continue
        bare = name.split(":")[1]
        owners = [model for model in documents if bare.startswith(f"{model}_")]
        assert len(asked) == 1, f"{name} asks for {asked}"
        keys = documents[max(owners, key=len)] if owners else [ObjectId()]
        for key in keys:
            try:
                found.append(reverse(name, args=[key]))
            except NoReverseMatch as error:
                raise AssertionError(f"{name} is not known to this walk") from error
    return found
