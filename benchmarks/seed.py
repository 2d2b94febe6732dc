"""`python -m benchmarks.seed N`: a shop with N orders of one year, whose books agree.

Documents are written raw and in bulk, in the form in which the services write them: buying a
hundred thousand times would take hours. `manage.py check_books` is the proof that they are right.

Each customer tops up, then buys; a part of the orders is refunded, the latest few wait. It writes
into the database that the environment names (MONGODB_URI, MONGODB_NAME), which must be empty of
orders.
"""

import argparse
import random
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

BATCH = 1000
ORDERS_EACH = 4
PLATFORMS = 6
PLANS_EACH = 3
WAITING = 40
REFUNDED_EVERY = 25
SEED = 20


def main() -> None:
    """Set Django up, fill the database, say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("orders", type=int)
    count = parser.parse_args().orders
    import django

    django.setup()
    from orders.models import Order

    if Order.objects.exists():
        sys.exit("The database has orders already: name an empty one in MONGODB_NAME.")
    started = datetime.now(tz=UTC)
    seed(count)
    print(f"{count} orders in {(datetime.now(tz=UTC) - started).total_seconds():.0f} s")


def seed(count: int, *, now: datetime | None = None) -> None:
    """Write `count` orders of the year before `now` with all that belongs to them."""
    moment = (now or datetime.now(tz=UTC)).replace(microsecond=0, tzinfo=None)
    # The same shop at every run, so that figures can be compared.
    shop = _Shop(count, moment, random.Random(SEED))  # noqa: S311
    shop.fill()


class _Shop:
    """Builds the documents and writes them in batches."""

    def __init__(self, count: int, now: datetime, chance: random.Random) -> None:
        from django.db import connection

        connection.ensure_connection()
        self.database = connection.database
        self.count, self.now, self.chance = count, now, chance
        self.pending: dict[str, list[dict[str, Any]]] = {}
        self.plans: list[dict[str, Any]] = []
        # One account of many seats for each plan: who is delivered and runs has one of them.
        self.accounts: dict[ObjectId, ObjectId] = {}
        self.seated: dict[ObjectId, int] = {}
        self.sold: dict[ObjectId, int] = {}

    def fill(self) -> None:
        self._shelf()
        people = max(1, self.count // ORDERS_EACH)
        step = timedelta(days=365) / max(1, self.count)
        wallets = [self._person(number, people) for number in range(people)]
        for number in range(self.count):
            at = self.now - step * (self.count - number)
            self._order(number, at.replace(microsecond=0), wallets[number % people])
        for wallet in wallets:
            document = {"user_id": wallet["_id"], "balance_paise": wallet["balance_paise"]}
            self._write("wallets", {**document, "sequence": wallet["sequence"]})
        for plan in self.plans:
            left = 50
            stocked = self.sold[plan["_id"]] + left
            self._write("products", {**plan, "stock": left})
            self._move(plan, stocked, "restock", "", f"restock:{plan['_id']}", self._start())
        self._flush()
        self._fill_pool()

    def _fill_pool(self) -> None:
        from subscriptions.models import Credential

        Credential.objects.bulk_create(
            Credential(
                pk=self.accounts[plan_id],
                plan_id=plan_id,
                login=f"account {number}",
                password="x",  # noqa: S106
                seats=used,
                seats_used=used,
                state=Credential.State.FULL,
                fingerprint=f"{number:064d}",
            )
            for number, (plan_id, used) in enumerate(self.seated.items())
            if used
        )

    def _start(self) -> datetime:
        return self.now - timedelta(days=370)

    def _shelf(self) -> None:
        for number in range(PLATFORMS):
            platform = {
                "_id": ObjectId(),
                "name": f"Platform {number + 1}",
                "slug": f"platform-{number + 1}",
                "tagline": "",
                "hue": "coral",
                "mark": "play",
                "position": number,
                "is_active": True,
            }
            self._write("platforms", platform)
            for kind in range(PLANS_EACH):
                plan = {
                    "_id": ObjectId(),
                    "platform_id": platform["_id"],
                    "name": f"Plan {kind + 1}",
                    "slug": f"plan-{kind + 1}",
                    "description": "",
                    "features": "",
                    "price_paise": (99 + 100 * kind) * 100,
                    "list_price_paise": None,
                    "duration_days": 30,
                    "low_stock_threshold": 5,
                    "delivery": "manual",
                    "rotate_after_seat": True,
                    "is_active": True,
                }
                self.plans.append(plan)
                self.sold[plan["_id"]] = self.seated[plan["_id"]] = 0
                self.accounts[plan["_id"]] = ObjectId()
                plan["_platform"] = platform["name"]

    def _person(self, number: int, people: int) -> dict[str, Any]:
        key = ObjectId()
        self._write(
            "users",
            {
                "_id": key,
                "phone": f"+919{number:09d}",
                "name": f"Customer {number}",
                "email": f"customer{number}@example.com",
                "role": "user",
                "is_active": True,
                "session_epoch": 0,
                "last_login": None,
                "state_code": "",
                "created_at": self._start() + timedelta(days=365) * (number / people),
            },
        )
        return {"_id": key, "balance_paise": 0, "sequence": 0}

    def _order(self, number: int, at: datetime, wallet: dict[str, Any]) -> None:
        plan = self.plans[self.chance.randrange(len(self.plans))]
        price, days = plan["price_paise"], timedelta(days=plan["duration_days"])
        waits = number >= self.count - WAITING
        refunded = not waits and number % REFUNDED_EVERY == 0
        order_id, subscription_id = ObjectId(), ObjectId()
        self._topup(number, at - timedelta(minutes=5), wallet, price)
        self._entry(wallet, at, -price, "order", order_id, f"order:{order_id}")
        self.sold[plan["_id"]] += 1
        self._move(plan, -1, "sale", str(order_id), f"sale:{order_id}", at)
        copied = {
            "user_id": wallet["_id"],
            "plan_id": plan["_id"],
            "platform_name": plan["_platform"],
            "plan_name": plan["name"],
            "hue": "coral",
            "mark": "play",
            "delivery": "manual",
            "customer_email": "",
        }
        delivered = None if waits else at
        ends_at = at if refunded else at + days
        state = "cancelled" if refunded else "active" if waits or ends_at > self.now else "expired"
        holds_seat = state == "active" and not waits
        self.seated[plan["_id"]] += holds_seat
        self._write(
            "orders",
            {
                "_id": order_id,
                **copied,
                "number": _number(number),
                "kind": "purchase",
                "price_paise": price,
                "duration_days": plan["duration_days"],
                "period_start": delivered,
                "period_end": None if waits else ends_at,
                "state": "paid" if waits else "refunded" if refunded else "completed",
                "refunded_paise": price if refunded else 0,
                "subscription_id": subscription_id,
                "key": f"seed-{number}",
                "state_code": "",
                "created_at": at,
                "delivered_at": delivered,
            },
        )
        self._write(
            "subscriptions",
            {
                "_id": subscription_id,
                **copied,
                "paid_days": 0 if refunded else plan["duration_days"],
                "starts_at": at,
                "ends_at": ends_at,
                "delivered_at": delivered,
                "state": state,
                "credential_id": self.accounts[plan["_id"]] if holds_seat else None,
                "holds_seat": holds_seat,
                "invited_at": None,
                "auto_renew": False,
                "created_at": at,
            },
        )
        if refunded:
            self._refund(wallet, order_id, price, at + timedelta(seconds=1))

    def _topup(self, number: int, at: datetime, wallet: dict[str, Any], paise: int) -> None:
        key = ObjectId()
        self._write(
            "wallet_pending_transactions",
            {
                "_id": key,
                "user_id": wallet["_id"],
                "amount_paise": paise,
                "refunded_paise": 0,
                "key": f"seed-{number}",
                "razorpay_order_id": f"order_seed{number}",
                "payment_id": f"pay_seed{number}",
                "state": "completed",
                "source": "webhook",
                "failure_reason": "",
                "return_url": "",
                "created_at": at,
                "completed_at": at,
                "checks": 0,
                "next_check_at": at,
            },
        )
        self._entry(wallet, at, paise, "recharge", key, f"recharge:{key}")

    def _refund(self, wallet: dict[str, Any], order_id: ObjectId, paise: int, at: datetime) -> None:
        key = ObjectId()
        self._write(
            "refunds",
            {
                "_id": key,
                "order_id": order_id,
                "amount_paise": paise,
                "reason": "Seeded",
                "actor_id": None,
                "key": f"seed-{key}",
                "created_at": at,
            },
        )
        self._entry(wallet, at, paise, "refund", key, f"refund:{key}")

    def _entry(
        self,
        wallet: dict[str, Any],
        at: datetime,
        paise: int,
        kind: str,
        reference: ObjectId,
        key: str,
    ) -> None:
        wallet["balance_paise"] += paise
        wallet["sequence"] += 1
        self._write(
            "wallet_transactions",
            {
                "_id": ObjectId(),
                "user_id": wallet["_id"],
                "sequence": wallet["sequence"],
                "amount_paise": paise,
                "balance_after_paise": wallet["balance_paise"],
                "reference_type": kind,
                "reference_id": str(reference),
                "description": "Seeded",
                "actor_id": None,
                "key": key,
                "created_at": at,
            },
        )

    def _move(
        self, plan: dict[str, Any], delta: int, reason: str, reference: str, key: str, at: datetime
    ) -> None:
        self._write(
            "stock_movements",
            {
                "_id": ObjectId(),
                "plan_id": plan["_id"],
                "delta": delta,
                "reason": reason,
                "note": "",
                "reference": reference,
                "actor_id": None,
                "key": key,
                "created_at": at,
            },
        )

    def _write(self, collection: str, document: dict[str, Any]) -> None:
        document = {name: value for name, value in document.items() if name != "_platform"}
        waiting = self.pending.setdefault(collection, [])
        waiting.append(document)
        if len(waiting) >= BATCH:
            self._insert(collection, waiting)
            self.pending[collection] = []

    def _insert(self, collection: str, documents: Iterable[dict[str, Any]]) -> None:
        self.database[collection].insert_many(list(documents), ordered=False)

    def _flush(self) -> None:
        for collection, documents in self.pending.items():
            if documents:
                self._insert(collection, documents)
        self.pending = {}


def _number(value: int) -> str:
    """Return an order number of the seed: eight letters of the shop's alphabet."""
    from orders.models import NUMBER_ALPHABET

    letters = ""
    for _unused in range(8):
        value, rest = divmod(value, len(NUMBER_ALPHABET))
        letters = NUMBER_ALPHABET[rest] + letters
    return f"{letters[:4]}-{letters[4:]}"


if __name__ == "__main__":
    main()
