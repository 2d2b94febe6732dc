"""Everything that can happen to money in the shop, as steps that any order of choices may take.

Every choice is a whole number, so that hypothesis can shrink it and a seeded generator can draw it.
A step may be refused, or broken by a fault; what it may never do is leave the books wrong.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import time_machine
from django.contrib.sessions.backends.base import UpdateError
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from pymongo.errors import PyMongoError

from accounts.models import User
from catalog.models import Plan
from catalog.services import restock
from orders.books import check_books
from orders.models import Order
from orders.quotes import quote_for
from orders.refunds import refund_order
from orders.services import deliver_waiting_orders
from ottsonly.errors import ShopError
from razorpay_sandbox.process import SandboxError, SandboxServer
from subscriptions.lifecycle import expire
from subscriptions.models import Subscription
from tests.faults.mongo_proxy import ScriptedProxy
from wallet.circuit import CIRCUIT
from wallet.models import OpenItem, Recharge, SourceRefund, WalletTransaction, WebhookEvent
from wallet.reconciliation import expire_old, reconcile, reconcile_pending
from wallet.services import adjust_wallet
from wallet.source_refunds import request_source_refund, send_due_source_refunds
from wallet.webhooks import apply_received

T = TypeVar("T")
HOOK = "/wallet/razorpay/webhook"
RAZORPAY_FAULTS = ("500", "502html", "429", "409", "badjson", "lost_reply", "timeout", "hang")
DATABASE_FAULTS = ("before", "after", "commit-before", "commit-after", "conflict")
OUTCOMES = ("success", "success", "authorized", "failure")
# What a test of this shop sets: short waits, and no limit in the way.
SETTINGS = {
    "RAZORPAY_READ_TIMEOUT": 0.4,
    "RAZORPAY_CONNECT_TIMEOUT": 0.4,
    "RAZORPAY_CIRCUIT_SECONDS": 0.05,
    "TOPUPS_PER_HOUR": 10**6,
    "TOPUPS_PER_DAY": 10**6,
    "PURCHASES_PER_HOUR": 10**6,
}


class Shop:
    """Some customers, plans and an operator, and what happens to them.

    Args:
        tag: makes the keys of this process its own.
        proxy: where faults of the database enter.
        alone: nobody else uses the database, so an error without a fault is a defect.
    """

    def __init__(
        self,
        *,
        razorpay: SandboxServer,
        customers: Sequence[User],
        plans: Sequence[Plan],
        admin: User,
        tag: str,
        proxy: ScriptedProxy,
        alone: bool,
    ) -> None:
        self.razorpay, self.customers, self.plans = razorpay, customers, plans
        self.admin, self.tag, self.proxy, self.alone = admin, tag, proxy, alone
        self.tried: Counter[str] = Counter()
        self.refused = self.broken = 0
        self.faults: Counter[str] = Counter()
        self._number = 0
        self._struck = 0
        self._browsers: dict[Any, Client] = {}
        self._paid: list[tuple[Any, dict[str, str]]] = []
        self._events: list[dict[str, Any]] = []
        self._last_quote: tuple[User, str, str] | None = None

    @property
    def has_payments(self) -> bool:
        return bool(self._paid)

    # Top-ups

    def start_topup(self, who: int, paise: int) -> None:
        user = self._customer(who)
        form = {"amount": f"{paise // 100}.{paise % 100:02d}", "key": self._key()}
        for _unused in range(1 + paise % 2):
            self._post("start top-up", "/wallet/topup/", form, user)

    def pay(self, which: int, outcome: int, other_amount: bool) -> None:
        recharge = self._one_of(
            Recharge.objects.filter(user__in=self._pks(), razorpay_order_id__gt=""), which
        )
        if recharge is None:
            return
        self.tried["pay at Razorpay"] += 1
        more = {"amount": recharge.amount_paise + 100} if other_amount else {}
        paid = self.razorpay.pay(
            str(recharge.razorpay_order_id),
            OUTCOMES[outcome % len(OUTCOMES)],
            webhook=False,
            **more,
        )
        fields = {f"razorpay_{name}": paid[name] for name in ("order_id", "payment_id")}
        self._paid.append((recharge, {**fields, "razorpay_signature": paid["signature"]}))

    def callback(self, which: int, borrowed: int) -> None:
        if not self._paid:
            return
        recharge, fields = self._paid[which % len(self._paid)]
        if borrowed == 0:
            recharge = self._paid[(which + 1) % len(self._paid)][0]
        address = f"{recharge.get_absolute_url()}callback/"
        self._post("callback", address, fields, recharge.user)

    def web_hook(self, which: int, copies: int, altered: bool) -> None:
        if which % 4 == 0 or not self._events:
            self._events = self.razorpay.control("webhooks")["items"]
        if not self._events:
            return
        event = self._events[which % len(self._events)]
        for _unused in range(copies):
            self._send(event, altered=altered)

    def _send(self, event: dict[str, Any], *, altered: bool = False) -> None:
        body = event["body"].replace('"amount":', '"amount":1') if altered else event["body"]
        headers = {
            "X-Razorpay-Signature": event["signature"],
            "X-Razorpay-Event-Id": event["event_id"],
        }
        forged = body != event["body"]
        status = self._post("web hook", HOOK, body, None, headers)
        assert status in ((400,) if forged else (204, 500, 503)), (status, forged)

    def source_refund(self, which: int, paise: int) -> None:
        done = Recharge.objects.filter(user__in=self._pks(), state=Recharge.State.COMPLETED)
        recharge = self._one_of(done, which)
        if recharge is not None:
            key = self._key()
            for _unused in range(1 + paise % 2):
                self._attempt(
                    "refund to source",
                    lambda: request_source_refund(
                        recharge=recharge,
                        amount_paise=paise,
                        reason="asked",
                        actor=self.admin,
                        key=key,
                    ),
                )

    def bank_settles(self, which: int, failed: bool) -> None:
        pending = [
            refund
            for refund in self.razorpay.control("state")["refunds"]
            if refund["status"] == "pending"
        ]
        if pending:
            self.tried["bank settles a refund"] += 1
            chosen = pending[which % len(pending)]["id"]
            try:
                self.razorpay.control("refunds/settle", {"refund_id": chosen, "failed": failed})
            except SandboxError:
                # Settled by another process meanwhile.
                return

    def dispute(self, which: int) -> None:
        if self._paid:
            self.tried["dispute"] += 1
            payment_id = self._paid[which % len(self._paid)][1]["razorpay_payment_id"]
            self.razorpay.control("dispute", {"payment_id": payment_id})

    # Orders

    def purchase(self, who: int, what: int) -> None:
        user, plan = self._customer(who), self.plans[what % len(self.plans)]
        quote = quote_for(user=user, plan=plan)
        self._last_quote = (user, plan.buy_url, quote)
        self._post("purchase", plan.buy_url, {"quote": quote}, user)

    def purchase_again(self) -> None:
        if self._last_quote:
            user, address, quote = self._last_quote
            self._post("second click", address, {"quote": quote}, user)

    def renew(self, which: int) -> None:
        subscription = self._one_of(
            Subscription.objects.select_related("plan", "user").filter(user__in=self._pks()), which
        )
        if subscription is not None:
            quote = quote_for(user=subscription.user, plan=subscription.plan, renews=subscription)
            self._post("renewal", subscription.renew_url, {"quote": quote}, subscription.user)

    def refund(self, which: int, share: int, take_back: bool) -> None:
        order = self._one_of(Order.objects.filter(user__in=self._pks()), which)
        if order is not None:
            key = self._key()
            self._attempt(
                "refund to wallet",
                lambda: refund_order(
                    order=order,
                    amount_paise=order.price_paise * share // 4,
                    reason="asked",
                    actor=self.admin,
                    key=key,
                    take_back=take_back,
                ),
            )

    def expire(self, which: int, days: int) -> None:
        subscription = self._one_of(Subscription.objects.filter(user__in=self._pks()), which)
        if subscription is not None:
            with time_machine.travel(timezone.now() + timedelta(days=days), tick=True):
                self._attempt("expiry", lambda: expire([subscription.pk]))

    def adjust(self, who: int, paise: int) -> None:
        user, key = self._customer(who), self._key()
        self._attempt(
            "adjustment",
            lambda: adjust_wallet(
                user=user, amount_paise=paise, reason="by hand", actor=self.admin, key=key
            ),
        )

    def restock(self, what: int, units: int) -> None:
        plan, key = self.plans[what % len(self.plans)], self._key()
        self._attempt(
            "restock",
            lambda: restock(plan=plan, delta=units, note="more", actor=self.admin, key=key),
        )

    # The worker

    def worker(self, which: int) -> None:
        self._attempt("time passes", self._make_due)
        jobs: tuple[tuple[str, Callable[[], int]], ...] = (
            ("job: web hooks", apply_received),
            ("job: ask top-ups", reconcile_pending),
            ("job: refunds to source", send_due_source_refunds),
            ("job: deliver orders", deliver_waiting_orders),
            ("job: expire top-ups", lambda: expire_old(older_than=timedelta())),
        )
        name, job = jobs[which % len(jobs)]
        self._attempt(name, job)

    def _make_due(self) -> None:
        long_ago = timezone.now() - timedelta(seconds=1)
        Recharge.objects.filter(next_check_at__isnull=False).update(next_check_at=long_ago)
        SourceRefund.objects.update(next_attempt_at=long_ago)
        WebhookEvent.objects.filter(state="received").update(next_attempt_at=long_ago)

    # Faults

    def razorpay_misbehaves(self, kind: int, count: int) -> None:
        chosen = RAZORPAY_FAULTS[kind % len(RAZORPAY_FAULTS)]
        self.faults[f"Razorpay {chosen}"] += 1
        self.razorpay.fault(chosen, count=count, seconds=0.6)

    def refunds_take_time(self, pending: bool) -> None:
        self.razorpay.configure(refund_status="pending" if pending else "processed")

    def database_misbehaves(self, kind: int, at: int) -> None:
        """Plan a fault for one of the next commands; it counts once it struck."""
        self.proxy.plan((at, DATABASE_FAULTS[kind % len(DATABASE_FAULTS)]))

    # The end

    def settle(self, seed: int) -> None:
        """Let all faults end and all news arrive, in a disorder drawn from `seed`."""
        self.proxy.plan()
        self.razorpay.fault("none")
        CIRCUIT.reset()
        # What the worker asks for below must end, too.
        self.razorpay.configure(refund_status="processed")
        for refund in self.razorpay.control("state")["refunds"]:
            if refund["status"] == "pending":
                self.razorpay.control(
                    "refunds/settle", {"refund_id": refund["id"], "failed": seed % 2 == 0}
                )
        events = self.razorpay.control("webhooks")["items"]
        random.Random(seed).shuffle(events)
        # Some are lost for good: the worker finds what they told.
        for event in events[: len(events) * 2 // 3]:
            self._send(event)
        self._make_due()
        for name, job in (
            ("job: web hooks", apply_received),
            ("job: ask top-ups", reconcile_pending),
            ("job: refunds to source", send_due_source_refunds),
            ("job: deliver orders", deliver_waiting_orders),
        ):
            self._attempt(name, partial(job, limit=10**4))
        for kind in self.proxy.struck:
            self.faults[f"database {kind}"] += 1

    def discrepancies(self) -> list[str]:
        """Return everything that the books, Razorpay's and ours, do not agree on."""
        report = reconcile(since=timezone.now() - timedelta(hours=2))
        found = [str(finding) for finding in check_books()]
        if report.difference_paise:
            found.append(f"difference of {report.difference_paise} paise")
        state = self.razorpay.control("state")
        for payment in state["payments"]:
            if payment["captured"]:
                found += _unexplained(payment)
        for refund in SourceRefund.objects.all():
            ends = {
                row["status"]
                for row in state["refunds"]
                if row["notes"] and row["notes"].get("source_refund") == str(refund.pk)
            }
            if refund.state == "requested" or ends - {refund.state}:
                found.append(f"refund to source {refund.pk} is {refund.state}, there {ends}")
        return found

    # How a step is taken

    def _attempt(self, name: str, work: Callable[[], T]) -> T | None:
        self.tried[name] += 1
        try:
            return work()
        except ShopError:
            self.refused += 1
        except (DatabaseError, PyMongoError):
            self._broke()
        return None

    def _post(
        self,
        name: str,
        address: str,
        data: dict[str, str] | str,
        user: User | None,
        headers: dict[str, str] | None = None,
    ) -> int:
        self.tried[name] += 1
        more = {"content_type": "application/json"} if isinstance(data, str) else {}
        try:
            browser = self._browser(user)
            status = browser.post(address, data, headers=headers or {}, **more).status_code
        except (DatabaseError, PyMongoError, UpdateError):
            # Also the test's own log-in goes through the faults; a session that could not be
            # saved is Django's UpdateError.
            self._browsers.pop(getattr(user, "pk", None), None)
            self._broke()
            return 500
        # 503: a write conflict outlasted every try.
        if status in (500, 503):
            self._broke()
        assert status in (200, 204, 302, 500, 503) or address == HOOK, (name, status)
        return status

    def _broke(self) -> None:
        """An error is no defect when a fault struck, or others are about."""
        self.broken += 1
        assert not self.alone or len(self.proxy.struck) > self._struck, "an error without a fault"
        self._struck = len(self.proxy.struck)

    def _browser(self, user: User | None) -> Client:
        key = getattr(user, "pk", None)
        if key not in self._browsers:
            browser = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
            if user is not None:
                browser.force_login(user)
            self._browsers[key] = browser
        return self._browsers[key]

    def _customer(self, who: int) -> User:
        return self.customers[who % len(self.customers)]

    def _pks(self) -> list[Any]:
        return [customer.pk for customer in self.customers]

    def _one_of(self, rows: Any, which: int) -> Any:
        try:
            found = list(rows.order_by("-created_at")[:40])
        except (DatabaseError, PyMongoError):
            self._broke()
            return None
        return found[which % len(found)] if found else None

    def _key(self) -> str:
        self._number += 1
        return f"{self.tag}-{self._number}"


def _unexplained(payment: dict[str, Any]) -> list[str]:
    """A captured payment is in exactly one place: credited, or an open item."""
    credited = 0
    for pk in Recharge.objects.filter(payment_id=payment["id"]).values_list("pk", flat=True):
        entries = WalletTransaction.objects.filter(key=f"recharge:{pk}")
        credited += sum(entries.values_list("amount_paise", flat=True))
    items = OpenItem.objects.filter(reference=payment["id"])
    named = sum(items.values_list("amount_paise", flat=True))
    if credited + named == payment["amount"]:
        return []
    return [f"payment {payment['id']} of {payment['amount']}: {credited} credited, {named} named"]


def empty_database() -> None:
    """Delete every document of the shop, so that the next run starts from nothing."""
    database = connection.database
    for name in database.list_collection_names():
        if not name.startswith(("django_", "system.")):
            database[name].delete_many({})


def as_report(name: str, shops: Sequence[dict[str, Any]], discrepancies: Sequence[str]) -> str:
    """Return what was tried, what was injected and what was found, as lines to print."""
    tried: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for shop in shops:
        tried.update(shop["tried"])
        faults.update(shop["faults"])
    refused, broken = (sum(shop[name] for shop in shops) for name in ("refused", "broken"))
    return "\n".join(
        [
            f"{name}: {sum(tried.values())} operations tried ({refused} refused, {broken} broken "
            f"by a fault), {sum(faults.values())} faults injected, "
            f"{len(discrepancies)} discrepancies",
            "  operations: " + json.dumps(dict(tried.most_common())),
            "  faults: " + json.dumps(dict(faults.most_common())),
            *(f"  {line}" for line in discrepancies),
        ]
    )


def as_result(shop: Shop) -> dict[str, Any]:
    """Return the figures of one shop in a form that passes a pipe."""
    return {
        "tried": dict(shop.tried),
        "faults": dict(shop.faults),
        "refused": shop.refused,
        "broken": shop.broken,
    }
