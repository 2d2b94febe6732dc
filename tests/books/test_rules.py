"""Each rule of the books: one document is broken below Django, and it is named."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from django.core.management import call_command

from tests.books.conftest import documents

ROOT = Path(__file__).resolve().parents[2]
BOOKS = [ROOT / room / "books.py" for room in ("catalog", "wallet", "subscriptions", "orders")]
NOWHERE = "5f" * 12


class Breach(NamedTuple):
    """How a rule is broken, and what must be named for it."""

    rule: str
    broken: Callable[[Any, SimpleNamespace], object]
    named: Callable[[SimpleNamespace], set[str]]


def query(which: Callable[[SimpleNamespace], Any], shop: SimpleNamespace) -> dict[str, Any]:
    """Return the filter of one document; `which` gives its id or the filter itself."""
    found = which(shop)
    return found if isinstance(found, dict) else {"_id": found}


def put(collection: str, which: Callable[[SimpleNamespace], Any], **fields: Any) -> Any:
    """Write fields over those of one document."""

    def broken(raw: Any, shop: SimpleNamespace) -> None:
        changed = raw[collection].update_one(query(which, shop), {"$set": fields})
        assert changed.matched_count == 1

    return broken


def drop(collection: str, which: Callable[[SimpleNamespace], Any]) -> Any:
    """Delete one document."""

    def broken(raw: Any, shop: SimpleNamespace) -> None:
        assert raw[collection].delete_one(query(which, shop)).deleted_count == 1

    return broken


def pay_twice(raw: Any, shop: SimpleNamespace) -> None:
    """Write the entry of an order a second time, so that the chain and the balance still agree."""
    wallet = raw.wallets.find_one({"user_id": shop.asha})
    entry = raw.wallet_transactions.find_one({"_id": shop.entry})
    del entry["_id"]
    balance = wallet["balance_paise"] + entry["amount_paise"]
    entry |= {"key": "twice", "sequence": wallet["sequence"] + 1, "balance_after_paise": balance}
    raw.wallet_transactions.insert_one(entry)
    moved = {"balance_paise": balance, "sequence": entry["sequence"]}
    raw.wallets.update_one({"user_id": shop.asha}, {"$set": moved})


def lay_over(raw: Any, shop: SimpleNamespace) -> None:
    """Move given days into the days that were paid for."""
    row = raw.subscription_extensions.find_one({"_id": shop.given})
    day = timedelta(days=1)
    moved = {"period_start": row["period_start"] - day, "period_end": row["period_end"] - day}
    raw.subscription_extensions.update_one({"_id": shop.given}, {"$set": moved})
    end = {"ends_at": moved["period_end"]}
    raw.subscriptions.update_one({"_id": shop.delivered.subscription_id}, {"$set": end})


def push(collection: str, field: str, which: Callable[[SimpleNamespace], Any], by: Any) -> Any:
    """Add to a field of one document."""

    def broken(raw: Any, shop: SimpleNamespace) -> None:
        row = raw[collection].find_one(query(which, shop))
        changed = {"$set": {field: row[field] + by}}
        raw[collection].update_one({"_id": row["_id"]}, changed)

    return broken


def wallet(shop: SimpleNamespace) -> set[str]:
    return {f"wallet {shop.asha}"}


def order(shop: SimpleNamespace) -> set[str]:
    return {f"order {shop.delivered.number}"}


def subscription(shop: SimpleNamespace) -> set[str]:
    return {f"subscription {shop.delivered.subscription_id}"}


def account(shop: SimpleNamespace) -> set[str]:
    return {f"credential {shop.account}"}


def plan(shop: SimpleNamespace) -> set[str]:
    return {f"plan {shop.instant}"}


CHAIN = "the ledger is one unbroken chain"
BALANCE = "a balance equals the sum of its ledger"
TOP_UP = "a completed top-up has exactly one ledger entry"
PAID = "a paid order has exactly one ledger entry"
SOLD = "a purchase, and it alone, has its stock movement"
STOCK = "stock equals the sum of its movements"
OVER = "refunds never exceed the payment"
SEATS = "seats used equal seats assigned"
HOLDER = "only a running subscription holds a seat"
SOURCE = "a refund to source left the wallet once, and came back only if it failed"
BACK = "what went back to its source never exceeds the top-up"
ROW = "a subscription ends with its last period"
RETURNED = "a subscription refunded before its delivery, and it alone, gives its unit back"
CLOSED = "a closed item says by whom and why"

BREACHES = [
    Breach(BALANCE, push("wallets", "balance_paise", lambda s: {"user_id": s.asha}, 1), wallet),
    Breach(BALANCE, push("wallets", "sequence", lambda s: {"user_id": s.asha}, 1), wallet),
    Breach(CHAIN, push("wallet_transactions", "balance_after_paise", lambda s: s.entry, 1), wallet),
    Breach(
        CHAIN,
        push("wallet_transactions", "amount_paise", lambda s: s.entry, 1),
        lambda s: wallet(s) | order(s),
    ),
    Breach(CHAIN, drop("wallet_transactions", lambda s: s.entry), lambda s: wallet(s) | order(s)),
    Breach("every ledger has its wallet", drop("wallets", lambda s: {"user_id": s.asha}), wallet),
    Breach(
        TOP_UP,
        put("wallet_pending_transactions", lambda s: s.paid, state="failed"),
        lambda s: {f"recharge {s.paid}"},
    ),
    Breach(
        TOP_UP,
        put(
            "wallet_pending_transactions",
            lambda s: s.pending,
            state="completed",
            payment_id="pay_3",
        ),
        lambda s: {f"recharge {s.pending}"},
    ),
    Breach(
        "a completed top-up names its payment",
        put("wallet_pending_transactions", lambda s: s.paid, payment_id=None),
        lambda s: {f"recharge {s.paid}"},
    ),
    Breach(
        "a top-up's ledger entry has its top-up",
        drop("wallet_pending_transactions", lambda s: s.paid),
        lambda s: {f"recharge {s.paid}"},
    ),
    Breach(
        BACK,
        put("wallet_pending_transactions", lambda s: s.back, refunded_paise=0),
        lambda s: {f"recharge {s.back}"},
    ),
    Breach(
        BACK,
        put("wallet_pending_transactions", lambda s: s.back, amount_paise=50_00),
        lambda s: {f"recharge {s.back}"},
    ),
    Breach(
        SOURCE,
        put("wallet_source_refunds", lambda s: s.failed, state="processed"),
        lambda s: {f"source refund {s.failed}", f"recharge {s.back}"},
    ),
    Breach(
        SOURCE,
        put(
            "wallet_transactions",
            lambda s: {"key": f"source_refund:{s.processed}"},
            reference_type="adjustment",
        ),
        lambda s: {f"source refund {s.processed}"},
    ),
    Breach(
        "a refund to source belongs to the top-up's customer",
        lambda raw, s: raw.wallet_source_refunds.update_one(
            {"_id": s.processed}, {"$set": {"user_id": s.ravi}}
        ),
        lambda s: {f"source refund {s.processed}"},
    ),
    Breach(
        "a refund to source has an end when it ended",
        put("wallet_source_refunds", lambda s: s.processed, finished_at=None),
        lambda s: {f"source refund {s.processed}"},
    ),
    Breach(
        "an entry of a refund to source has its refund",
        drop("wallet_source_refunds", lambda s: s.failed),
        # The debit and its return both point at what is gone.
        lambda s: {f"source refund {s.failed}"},
    ),
    Breach(
        CLOSED,
        put("wallet_open_items", lambda s: s.item, note=""),
        lambda s: {f"open item {s.item}"},
    ),
    Breach(
        PAID,
        put("orders", lambda s: s.delivered.pk, price_paise=198_00),
        order,
    ),
    Breach(PAID, pay_twice, order),
    Breach(
        "a paid order has its subscription",
        lambda raw, s: raw.subscriptions.update_one(
            {"_id": s.delivered.subscription_id}, {"$set": {"user_id": s.ravi}}
        ),
        order,
    ),
    Breach(
        SOLD,
        lambda raw, s: raw.stock_movements.update_one(
            {"_id": s.sale}, {"$set": {"key": "lost", "reference": str(s.waiting.pk)}}
        ),
        order,
    ),
    Breach(
        SOLD, push("stock_movements", "delta", lambda s: s.sale, -1), lambda s: order(s) | plan(s)
    ),
    Breach(SOLD, put("orders", lambda s: s.delivered.pk, kind="renewal"), order),
    Breach(STOCK, push("products", "stock", lambda s: s.instant, 1), plan),
    Breach(STOCK, drop("stock_movements", lambda s: s.sale), lambda s: order(s) | plan(s)),
    Breach(
        OVER,
        put("orders", lambda s: s.gone.pk, refunded_paise=0),
        lambda s: {f"order {s.gone.number}"},
    ),
    Breach(
        OVER,
        put("refunds", lambda s: s.refund, amount_paise=200_00),
        lambda s: {f"order {s.gone.number}", f"refund {s.refund}"},
    ),
    Breach(
        "a refund has exactly one ledger entry",
        put(
            "wallet_transactions",
            lambda s: {"key": f"refund:{s.refund}"},
            reference_type="adjustment",
        ),
        lambda s: {f"refund {s.refund}"},
    ),
    Breach(
        "a ledger entry has its order or refund",
        put("wallet_transactions", lambda s: s.entry, reference_id=NOWHERE),
        lambda s: {f"entry {s.entry}"} | order(s),
    ),
    Breach(
        "a sold unit has its order",
        put("stock_movements", lambda s: s.sale, reference=NOWHERE),
        lambda s: {f"stock movement {s.sale}"},
    ),
    Breach(
        "paid days are those of the orders that were not refunded",
        push("subscriptions", "paid_days", lambda s: s.delivered.subscription_id, 1),
        subscription,
    ),
    Breach(
        RETURNED,
        put("stock_movements", lambda s: {"key": f"return:{s.returned.pk}"}, key="lost"),
        lambda s: {f"subscription {s.returned.subscription_id}"},
    ),
    Breach(
        "a period is as long as what was bought or given, unless a refund cut it",
        push("orders", "period_start", lambda s: s.delivered.pk, timedelta(days=1)),
        subscription,
    ),
    Breach("periods never overlap", lay_over, subscription),
    Breach(
        ROW,
        push("subscriptions", "ends_at", lambda s: s.delivered.subscription_id, timedelta(days=1)),
        subscription,
    ),
    Breach(SEATS, push("credentials", "seats_used", lambda s: s.account, 1), account),
    Breach(
        SEATS,
        put("subscriptions", lambda s: s.delivered.subscription_id, holds_seat=False),
        lambda s: account(s) | subscription(s),
    ),
    Breach(
        SEATS,
        put("credentials", lambda s: s.account, seats=0),
        account,
    ),
    Breach(
        HOLDER,
        put("subscriptions", lambda s: s.delivered.subscription_id, state="expired"),
        subscription,
    ),
    Breach(
        HOLDER,
        put("subscriptions", lambda s: s.waiting.subscription_id, holds_seat=True),
        lambda s: {f"subscription {s.waiting.subscription_id}"},
    ),
    Breach(
        "a delivered subscription has a seat, or is known to wait for one",
        put(
            "subscriptions",
            lambda s: s.delivered.subscription_id,
            seat_lost_at=datetime(2026, 1, 1),
        ),
        subscription,
    ),
]


def check() -> tuple[int, list[str]]:
    """Run the command; return its exit code and its lines."""
    said = StringIO()
    try:
        call_command("check_books", stdout=said, stderr=StringIO())
    except SystemExit as ended:
        return int(ended.code or 0), said.getvalue().splitlines()
    return 0, said.getvalue().splitlines()


def test_where_nothing_is_broken_nothing_is_named(shop):
    assert check() == (0, ["The books agree."])


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: breach.rule.replace(" ", "-"))
def test_what_breaks_a_rule_is_named(raw, shop, breach):
    breach.broken(raw, shop)
    before = documents(raw)
    code, lines = check()
    assert code == 1
    assert {line.split(": ", 1)[0] for line in lines} == breach.named(shop)
    assert any(line.split(": ", 2)[1] == breach.rule for line in lines)
    assert documents(raw) == before


def test_no_rule_is_without_its_breach():
    # A finding is made as Finding("the rule", "the document", ...), however it is wrapped.
    rules = {
        rule for path in BOOKS for rule in re.findall(r'Finding\(\s*"([^"]+)"', path.read_text())
    }
    assert rules == {breach.rule for breach in BREACHES}
