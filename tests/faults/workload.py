"""Eight cashiers at once: forks that take random steps in one shop until the time is over.

Started by the test with one line of JSON on stdin; each fork sees the database through a proxy of
its own, which strikes at random, and says its figures as one line of JSON.
"""

import json
import os
import random
import sys
import time
import traceback
from typing import Any

import django


def main() -> None:
    """Fork the cashiers and wait for them; the exit code is the number of those that failed."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "ottsonly.settings"
    django.setup()
    from django.urls import resolve

    # Imported before the fork, so that each cashier starts at once.
    resolve("/")
    task = json.loads(sys.stdin.readline())
    children = []
    for number in range(task["processes"]):
        child = os.fork()
        if child == 0:
            os._exit(_cashier(number, task))
        children.append(child)
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))


def _cashier(number: int, task: dict[str, Any]) -> int:
    from django.db import connection
    from django.test import override_settings

    from accounts.models import User
    from catalog.models import Plan
    from razorpay_sandbox.process import SandboxServer
    from tests.faults.mongo_proxy import ScriptedProxy
    from tests.faults.shop import SETTINGS, Shop, as_result
    from tests.faults.victims import database_address, uri_of

    proxy = ScriptedProxy(database_address())
    connection.settings_dict["HOST"] = uri_of(proxy.port)
    razorpay = SandboxServer()
    razorpay.base_url = task["razorpay"]
    draw = random.Random(f"{task['seed']}-{number}")
    try:
        with override_settings(**SETTINGS):
            shop = Shop(
                razorpay=razorpay,
                customers=list(User.objects.filter(pk__in=task["customers"]).order_by("pk")),
                plans=list(Plan.objects.filter(pk__in=task["plans"]).order_by("pk")),
                admin=User.objects.get(pk=task["admin"]),
                tag=f"cashier-{number}",
                proxy=proxy,
                alone=False,
            )
            end = time.monotonic() + task["seconds"]
            while time.monotonic() < end:
                _step(shop, draw)
            shop.proxy.plan()
            for kind in proxy.struck:
                shop.faults[f"database {kind}"] += 1
    except BaseException:
        traceback.print_exc()
        return 1
    os.write(1, (json.dumps(as_result(shop)) + "\n").encode())
    return 0


def _step(shop: Any, draw: random.Random) -> None:
    number = draw.randrange
    steps = {
        lambda: shop.start_topup(number(9), number(100_00, 900_00)): 6,
        lambda: shop.pay(number(9), number(9), number(8) == 0): 6,
        lambda: shop.callback(number(99), number(6)): 6,
        lambda: shop.web_hook(number(99), number(1, 4), number(6) == 0): 6,
        lambda: shop.purchase(number(9), number(9)): 6,
        shop.purchase_again: 2,
        lambda: shop.renew(number(30)): 4,
        lambda: shop.refund(number(30), number(6), number(2) == 0): 3,
        lambda: shop.expire(number(30), number(70)): 3,
        lambda: shop.adjust(number(9), number(-200_00, 300_00)): 3,
        lambda: shop.restock(number(9), number(-1, 3)): 2,
        lambda: shop.source_refund(number(30), number(100, 300_00)): 3,
        lambda: shop.bank_settles(number(9), number(2) == 0): 1,
        lambda: shop.dispute(number(30)): 1,
        lambda: shop.worker(number(5)): 5,
        lambda: shop.razorpay_misbehaves(number(30), number(1, 3)): 1,
        lambda: shop.refunds_take_time(number(2) == 0): 1,
        lambda: shop.database_misbehaves(number(30), number(1, 25)): 5,
    }
    draw.choices(list(steps), weights=list(steps.values()))[0]()


if __name__ == "__main__":
    main()
