"""`python -m benchmarks.console N`: how long the console takes with N orders of one year.

Fills a throw-away database (of MONGODB_URI if that is set, else of an embedded server) as
benchmarks/seed.py does, lets the books be checked with --books, and measures what the web process
needs for a page, its database commands included. Each page is asked for several times and the
median is told. Exits with 1 if a page takes longer than its limit.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.database import throw_away_database
from benchmarks.seed import seed

TIMES = 5
LIST_LIMIT_MS, TODAY_LIMIT_MS = 400, 500


def main() -> None:
    """Fill, measure every page, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("orders", type=int)
    parser.add_argument("--books", action="store_true", help="check the books of the seed too")
    given = parser.parse_args()
    with throw_away_database():
        started = time.perf_counter()
        seed(given.orders)
        print(f"{given.orders} orders were written in {time.perf_counter() - started:.0f} s")
        if given.books:
            _check_books()
        sys.exit(1 if _measure() else 0)


def _check_books() -> None:
    from orders.books import check_books

    started = time.perf_counter()
    findings = list(check_books())
    seconds = time.perf_counter() - started
    print(f"books: {len(findings)} findings in {seconds:.0f} s", *map(str, findings[:5]), sep="\n")
    if findings:
        sys.exit(1)


def _measure() -> int:
    """Print how long each page takes; return how many took longer than they may."""
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SECURE_SSL_REDIRECT = False
    client = _open_console(Client())
    from console.figures import close_days

    close_days()
    slow = 0
    for name, address, limit in _pages(client):
        times = [_milliseconds(lambda url=address: client.get(url)) for _unused in range(TIMES)]
        median = statistics.median(times)
        slow += median > limit
        print(f"{name:32} {median:7.0f} ms  (limit {limit})")
    return slow


def _open_console(client: Any) -> Any:
    from django_otp import DEVICE_ID_SESSION_KEY

    from accounts.models import TotpDevice, User
    from accounts.sessions import VERIFIED_AT_KEY

    phone = "+919000000000"
    user = User.objects.filter(phone="+447400123456").first()
    if user is None:
        user = User.objects.create(phone="+447400123456", role="admin", name=f"Bench {phone[-1]}")
    device = TotpDevice.objects.filter(user=user).first()
    if device is None:
        device = TotpDevice.objects.create(user=user, name="bench", key="MFRGGZDFMZTWQ2LK")
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session[VERIFIED_AT_KEY] = int(time.time())
    session.save()
    return client


def _pages(client: Any) -> list[tuple[str, str, int]]:
    from django.urls import reverse

    from orders.models import Order

    orders = reverse("admin:orders_order_changelist")
    collection_size = Order.objects.count()
    middle = list(
        Order.objects.filter(key=f"seed-{collection_size // 2}").values_list(
            "number", "created_at", "user__phone"
        )
    )[0]
    number, moment, phone = middle
    deep = f"{orders}?from={round(moment.timestamp() * 1000)}"
    pages = [
        ("orders, first page", orders, LIST_LIMIT_MS),
        ("orders, a page deep inside", deep, LIST_LIMIT_MS),
        ("orders that wait", f"{orders}?waiting=seat", LIST_LIMIT_MS),
        ("orders, refunded", f"{orders}?state__exact=refunded", LIST_LIMIT_MS),
        ("orders, by number", f"{orders}?q={number}", LIST_LIMIT_MS),
        ("orders, by phone", f"{orders}?q={phone.replace('+', '%2B')}", LIST_LIMIT_MS),
        ("search box, by number", f"{reverse('console:find')}?q={number}", LIST_LIMIT_MS),
        ("search box, by payment", f"{reverse('console:find')}?q=pay_seed1", LIST_LIMIT_MS),
    ]
    for name in (
        "accounts_user",
        "subscriptions_subscription",
        "wallet_wallettransaction",
        "wallet_recharge",
        "catalog_stockmovement",
        "catalog_plan",
    ):
        address = reverse(f"admin:{name}_changelist")
        pages.append((f"{name}, first page", address, LIST_LIMIT_MS))
    pages += [
        (f"today, {days} days", f"{reverse('admin:index')}?days={days}", TODAY_LIMIT_MS)
        for days in (1, 7, 30)
    ]
    for _name, address, _limit in pages:
        assert client.get(address).status_code in (200, 302), address
    return pages


def _milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
